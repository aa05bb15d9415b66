"""Names that more than one part of balances uses."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from billiard.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError

# keccak256("Transfer(address,address,uint256)"): ERC-20 has three topics, ERC-721 four.
TRANSFER_TOPIC: Final = bytes.fromhex(
    "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
)
# The native coin is a token without a contract, so that ``token`` is never null in a key.
NATIVE: Final = b""
ZERO_ADDRESS: Final = bytes(20)
MAX_UINT256: Final = 2**256 - 1
# Transactions and transfers of everybody are kept for so many blocks: the live page.
KEPT_BLOCKS: Final = 256
# Transfers from before an address was followed are looked for so far back.
HISTORY_KEPT: Final = timedelta(days=365)
# Above so many missing blocks the follower starts anew at the head and leaves a hole to be filled.
DEEP_GAP: Final = 256
# Seconds without a sign of the follower or the node, after which a chain's figures are stale.
SILENCE: Final = 5.0
# What ends a turn of work and is nobody's fault: no database, or the time of the turn is over.
INTERRUPTIONS: Final = (OperationalError, InterfaceError, SoftTimeLimitExceeded)
# What customers do here, as it is told to whoever counts it.
LOOKED_UP: Final = "balance.looked_up"


def chain_topic(chain_id: int) -> str:
    """The live topic of a chain, which is also its Valkey channel."""
    return f"chain:{chain_id}"


def alive_key(chain_id: int) -> str:
    """In Valkey while the chain's follower lives and its node answers; expires by itself."""
    return f"chain:{chain_id}:alive"


def balances_topic(address: bytes) -> str:
    """The live topic of an address, in lower case so that each has one name."""
    return f"balances:0x{address.hex()}"
