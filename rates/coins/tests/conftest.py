from rates.coins.tests.market import upstream
from rates.coins.tests.receiver import receiver

__all__ = ["receiver", "upstream"]
