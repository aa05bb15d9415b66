from accounts.models.security import SecurityEvent
from accounts.models.tokens import ApiToken, Scope
from accounts.models.user import User
from accounts.models.wallets import WalletLabel

__all__ = ["ApiToken", "Scope", "SecurityEvent", "User", "WalletLabel"]
