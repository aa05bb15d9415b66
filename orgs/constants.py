"""What the event stream and the verdicts agree on."""

from __future__ import annotations

from datetime import timedelta
from enum import IntEnum
from typing import Final


class MailKind(IntEnum):
    """What became of one e-mail, as it is stored."""

    DELIVERED = 1
    BOUNCED = 2


KINDS: Final = {"delivered": MailKind.DELIVERED, "bounced": MailKind.BOUNCED}

# From so many deliveries without a bounce a domain takes whatever is sent to it.
CATCH_ALL_FROM: Final = 1000
MAX_DOMAIN_OCTETS: Final = 253

# An event counts on the day of its own time while that day's raw partition can tell a repeat.
ACCEPTED_DAYS: Final = 7
# One day longer than what is accepted, so that a batch under way never meets a dropped partition.
RAW_DAYS: Final = ACCEPTED_DAYS + 1
# Who was active where: what weekly, monthly and retention figures are counted from.
PAIR_DAYS: Final = 90
DAYS_AHEAD: Final = 3
CLOCK_SKEW: Final = timedelta(minutes=5)

# Larger transactions hold their locks for longer than a call may take.
MAX_MAIL_EVENTS: Final = 10_000
MAX_ACTIONS: Final = 5_000
MAX_ACTION_NAME: Final = 64
# What members do on the desk itself, beside what other apps tell.
SIGNED_IN: Final = "signed.in"
WALLET_LINKED: Final = "wallet.linked"
MAX_ID: Final = 2**63 - 1
# Bytes of a call's body, as it comes and once it is decompressed.
MAX_BODY: Final = 8 * 1024 * 1024
