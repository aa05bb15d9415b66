"""One event by its address: ``PUT /v1/events/<domain>/<delivered|bounced>``, as a door read it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from foundation.errors import InvalidInput, Unprocessable
from orgs.constants import KINDS, MailKind
from orgs.services.batches import Batch
from orgs.services.domains import normalise
from orgs.services.ids import is_id, moment_of
from orgs.services.windows import window

BAD_KEY: Final = "Give a UUID of version 7, and the same one when you repeat the request."


@dataclass(frozen=True, slots=True)
class Single:
    """An event. With ``event_id`` it counts once; without, as often as it is sent."""

    domain: str
    kind: MailKind
    event_id: str = ""
    ts: datetime | None = None

    def batch(self) -> Batch:
        """As what is stored; only of events with an id."""
        assert self.ts is not None, "an id tells when it was made"
        found = Batch()
        found.add_mail(self.event_id, self.ts.isoformat(), self.kind, self.domain)
        return found


def read(domain: str, kind: str, key: str | None, *, now: datetime) -> Single:
    """The event. ``key`` is the request's ``Idempotency-Key``, which tells the event's time too.

    With the arrival's day, a repeat after midnight would count twice. Raises ``InvalidInput``, and
    ``Unprocessable`` for a key out of the window.
    """
    name = normalise(domain)
    if key is None:
        return Single(name, KINDS[kind])
    if not is_id(key):
        raise InvalidInput(BAD_KEY, code="invalid_key", fields={"Idempotency-Key": [BAD_KEY]})
    try:
        ts = moment_of(key)
    except OverflowError as problem:
        raise _late("There is no such moment.") from problem
    reason = window(now).fault(ts)
    if reason:
        raise _late(reason)
    return Single(name, KINDS[kind], key, ts)


def _late(reason: str) -> Unprocessable:
    return Unprocessable(reason, fields={"Idempotency-Key": [reason]})
