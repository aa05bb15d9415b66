"""Names that processes must agree on: Valkey keys, channels, and the states of a quote."""

from __future__ import annotations

from typing import Final

# --- Valkey (docs/architecture.md lists the content of each) ---------------------
KEY_RAW: Final = "rates:raw"  # hash: pair -> the last tick as JSON
KEY_SPREADS: Final = "rates:spreads"  # string: the whole resolved table as JSON
KEY_SPREADS_VERSION: Final = "rates:spreads:v"
KEY_LEADER: Final = "rates:leader"  # string with a time to live: the lease's token
KEY_EPOCH: Final = "rates:epoch"
KEY_FEED: Final = "rates:feed"  # hash: what the leading feed says of itself
KEY_CLOSED_CANDLES: Final = "rates:closed1m"  # stream
KEY_OPEN_CANDLES: Final = "rates:open1m"  # hash: pair and epoch -> the unfinished part as JSON
CHANNEL_CONTROL: Final = "rates:ctl"

PUBLIC_TIER: Final = "public"


def key_quotes(tier: str = PUBLIC_TIER) -> str:
    """Hash: pair -> the message as published (``live.messages``), the topic's snapshot."""
    return f"rates:q:{tier}"


def channel_quotes(tier: str = PUBLIC_TIER) -> str:
    return f"rates:live:{tier}"


TOPIC: Final = "rates:live"
STATE_EVENT: Final = "rates:state"

# --- Time limits, in seconds --------------------------------------------------------
# No frame of any kind for this long means that the exchange's socket is dead.
SOURCE_SILENCE: Final = 5.0
# The feed says that it lives once a second; silent for this long, its quotes are not believed.
FEED_SILENCE: Final = 5.0

# --- The states of a quote ----------------------------------------------------------------
LIVE: Final = "live"
STALE: Final = "stale"
SUSPECT: Final = "suspect"
HALTED: Final = "halted"
UNSUPPORTED: Final = "unsupported"

# What customers do here, as it is told to whoever counts it.
QUOTE_VIEWED: Final = "quote.viewed"

BPS: Final = 10_000
