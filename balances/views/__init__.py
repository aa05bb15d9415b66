"""The overview, and the pages of chains and balances. They read PostgreSQL and Valkey only."""

from balances.views.address import address, prefer_token, qr_code, steps
from balances.views.chain import chain
from balances.views.overview import overview
from balances.views.portfolio import change_watch, portfolio, remove_watch

__all__ = [
    "address",
    "chain",
    "change_watch",
    "overview",
    "portfolio",
    "prefer_token",
    "qr_code",
    "remove_watch",
    "steps",
]
