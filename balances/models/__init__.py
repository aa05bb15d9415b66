from balances.models.activity import Transfer, Tx
from balances.models.addresses import Address, Keep, TokenPreference, Watch
from balances.models.balances import (
    BackfillJob,
    Balance,
    BalancePoint,
    Coverage,
    DailyBalance,
)
from balances.models.chains import Block, Chain, ChainSpan, ReorgEvent, RpcEndpoint
from balances.models.tokens import Token

__all__ = [
    "Address",
    "BackfillJob",
    "Balance",
    "BalancePoint",
    "Block",
    "Chain",
    "ChainSpan",
    "Coverage",
    "DailyBalance",
    "Keep",
    "ReorgEvent",
    "RpcEndpoint",
    "Token",
    "TokenPreference",
    "Transfer",
    "Tx",
    "Watch",
]
