"""Whether a domain takes whatever is sent to it."""

from __future__ import annotations

from enum import StrEnum

from orgs.constants import CATCH_ALL_FROM
from orgs.models import MailDomain
from orgs.services.domains import normalise


class Verdict(StrEnum):
    """In the words of the service that this one replaces."""

    CATCH_ALL = "catch-all"
    NOT_CATCH_ALL = "not catch-all"
    UNKNOWN = "unknown"


def judge(delivered: int, bounced: int) -> Verdict:
    """One bounce settles it; without any, a thousand deliveries do."""
    if bounced > 0:
        return Verdict.NOT_CATCH_ALL
    return Verdict.CATCH_ALL if delivered >= CATCH_ALL_FROM else Verdict.UNKNOWN


def counts_of(domain: str) -> MailDomain:
    """A domain's counters; zeros for one that nobody has told us of. Raises ``InvalidInput``."""
    name = normalise(domain)
    return MailDomain.objects.filter(domain=name).first() or MailDomain(
        domain=name, delivered=0, bounced=0
    )


def verdict_of(domain: str) -> Verdict:
    """Raises ``InvalidInput`` for what is no domain name."""
    counts = counts_of(domain)
    return judge(counts.delivered, counts.bounced)
