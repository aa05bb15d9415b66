"""Names and limits that the processes of top coins must agree on."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Final

# --- Valkey: no time to live, since age is judged by the times inside ----------------------
KEY_META: Final = "coins:meta"  # hash: version, hash, rank_hash, as_of
KEY_ROWS: Final = "coins:rows"  # string: the whole list as JSON
KEY_JSON: Final = "coins:json"  # string: a line of JSON a coin, rendered once per change
KEY_CSV: Final = "coins:csv"  # string: a line of CSV a coin, the same
KEY_SERIES: Final = "coins:series"  # string: symbol to prices of the last week, as JSON
KEY_NOTICES: Final = "coins:q"  # hash: the topic's snapshot
KEY_CALLS: Final = "coins:calls"  # hash: how many calls of webhooks were taken, and failed
KEY_WITHHELD: Final = "coins:withheld"  # number: merges that were too short to be served
KEY_CALLING: Final = "coins:calling"  # string, 60 s: some worker is calling webhooks
KEY_TOLD: Final = (
    "coins:told"  # hash: as last told, JSON: threshold -> symbol to price; list -> ranks too
)

TOPIC: Final = "coins:changed"
STATE_EVENT: Final = "coins:state"
CHANNEL: Final = "coins:changed"

# --- Time ---------------------------------------------------------------------------------
# How often each source is asked at most.
PERIOD: Final = timedelta(seconds=60)
# A source this old no longer stands before the next one in order; where its credits ask for a
# longer interval, ranks stay with it for that long.
FRESH: Final = timedelta(seconds=150)
# A list this old is marked as stale.
STALE: Final = timedelta(seconds=180)
# After this long a shorter list is better than an older one.
FORGIVES_SHRINKING: Final = timedelta(hours=1)
# A source this old fills no gaps while a fresh one answers.
FILLS: Final = timedelta(hours=1)

# --- Sizes --------------------------------------------------------------------------------
MOST: Final = 500
USUAL: Final = 200
# A refresh with less than this share of the coins before is a fault of the source.
LEAST_SHARE: Final = Decimal("0.8")
# Two prices further apart than this are those of two coins.
CLASH: Final = Decimal("0.2")

# --- Fields -------------------------------------------------------------------------------
PLAIN_FIELDS: Final = ("rank", "symbol", "price")
FIGURES: Final = ("change_1h", "change_24h", "change_7d", "market_cap", "volume_24h")
FIELDS: Final = (*PLAIN_FIELDS, "name", *FIGURES, "from")
FORMATS: Final = ("json", "csv")
# Per cent by which a price must have moved for the notices under that key.
THRESHOLDS: Final = ("0.5", "1", "2", "5", "10")
