from balances.models.activity import Transfer, Tx
from balances.models.addresses import Address, Keep, TokenPreference, Watch
from balances.models.balances import (
    BackfillJob,
    Balance,
    BalancePoint,
    Coverage,
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
    "Keep",
    "ReorgEvent",
    "RpcEndpoint",
    "Token",
    "TokenPreference",
    "Transfer",
    "Tx",
    "Watch",
]
