"""Words and spans that the message, the nonce and the checks share."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final


class Purpose(StrEnum):
    """What a signature is asked for; one made for the one is worth nothing for another."""

    LOGIN = "login"
    CONNECT = "connect"
    REAUTH = "reauth"


# ASCII without quotes and brackets: EIP-4361 allows no more.
_NOTE: Final = "This costs nothing and sends no transaction."
STATEMENTS: Final = {
    Purpose.LOGIN: f"Sign in with this wallet. {_NOTE}",
    Purpose.CONNECT: f"Link this wallet to my account. {_NOTE}",
    Purpose.REAUTH: f"Confirm that it is me. {_NOTE}",
}

NONCE_LIFE: Final = timedelta(minutes=5)
# How far the wallet's clock may be behind or ahead of ours.
OLDEST_ISSUE: Final = timedelta(minutes=10)
NEWEST_ISSUE: Final = timedelta(seconds=60)
LONGEST_LIFE: Final = timedelta(minutes=10)
# A contract's owners may change at any time: whoever signs for it signs in again soon.
CONTRACT_SESSION: Final = timedelta(hours=1)

MAX_BODY: Final = 8 * 1024

# A key in the session.
CHAIN_KEY: Final = "wallet_chain_id"
VISITOR_LIFE: Final = timedelta(minutes=15)
