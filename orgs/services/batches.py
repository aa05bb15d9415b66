"""A call's events, judged before anything is written: all of them pass, or none is stored."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from foundation.errors import Forbidden, InvalidInput, QuaysideError, TooLarge, Unprocessable
from orgs.constants import (
    KINDS,
    MAX_ACTION_NAME,
    MAX_ACTIONS,
    MAX_ID,
    MAX_MAIL_EVENTS,
    MailKind,
)
from orgs.services.domains import normalise
from orgs.services.ids import is_id
from orgs.services.windows import Window

ACTION: Final = "action"
UTC_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(?:\.[0-9]{1,6})?Z")
ANY_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:]{8}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
# Who sent a thousand bad events learns as much from a hundred.
FAULTS_TOLD: Final = 100


class Fault(ValueError):
    """One event that may not be stored: which of its fields is to blame, and why."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name = name
        self.reason = reason


class Foreign(Fault):
    """An event of an organisation that the sender does not act for."""


@dataclass
class Batch:
    """Columns as the statements take them. Times are ISO 8601 in UTC, as PostgreSQL reads it."""

    mail_ids: list[str] = field(default_factory=list)
    mail_times: list[str] = field(default_factory=list)
    mail_kinds: list[int] = field(default_factory=list)
    mail_domains: list[str] = field(default_factory=list)
    action_ids: list[str] = field(default_factory=list)
    action_times: list[str] = field(default_factory=list)
    action_orgs: list[int] = field(default_factory=list)
    action_users: list[int] = field(default_factory=list)
    action_names: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.mail_ids) + len(self.action_ids)

    def add_mail(self, event_id: str, ts: str, kind: MailKind, domain: str) -> None:
        self.mail_ids.append(event_id)
        self.mail_times.append(ts)
        self.mail_kinds.append(kind)
        self.mail_domains.append(domain)

    def add_action(self, event_id: str, ts: str, org_id: int, user_id: int, name: str) -> None:
        self.action_ids.append(event_id)
        self.action_times.append(ts)
        self.action_orgs.append(org_id)
        self.action_users.append(user_id)
        self.action_names.append(name)


def decode_array(body: bytes) -> list[Any]:
    """The items of a JSON array. Raises ``InvalidInput``, which says where the text breaks off."""
    found = _decode(body)
    if not isinstance(found, list):
        raise _malformed("The body is not a JSON array.")
    return found


def decode_lines(body: bytes) -> list[Any]:
    """The items of NDJSON; empty lines are nothing. Raises ``InvalidInput`` with the line."""
    lines = body.split(b"\n")
    return [_decode(line, number) for number, line in enumerate(lines, 1) if line.strip()]


def judge(items: list[Any], *, orgs: Collection[int], window: Window) -> Batch:
    """The batch that ``items`` make, sent by who acts for ``orgs``.

    Raises ``TooLarge``, ``Forbidden`` where only foreign organisations are to blame, and
    ``Unprocessable``. ``fields`` names events by their place: ``"17.ts"`` is that of the 18th.
    """
    if len(items) > MAX_MAIL_EVENTS:
        raise TooLarge(f"Send at most {MAX_MAIL_EVENTS} events a call.", code="too_many_events")
    judging, faults = _Judging(orgs, window), dict[int, Fault]()
    for index, item in enumerate(items):
        try:
            judging.add(item)
        except Fault as fault:
            faults[index] = fault
    if faults:
        raise _refusal(faults)
    if len(judging.batch.action_ids) > MAX_ACTIONS:
        raise TooLarge(f"Send at most {MAX_ACTIONS} actions a call.", code="too_many_events")
    return judging.batch


class _Judging:
    def __init__(self, orgs: Collection[int], window: Window) -> None:
        self.orgs = orgs
        self.window = window
        self.batch = Batch()
        self.spelled: dict[str, str] = {}

    def add(self, item: Any) -> None:
        """Raises ``Fault``."""
        if not isinstance(item, dict):
            raise Fault("event", "Not a JSON object.")
        event_id, kind = item.get("event_id"), item.get("kind")
        if not is_id(event_id):
            raise Fault(
                "event_id", "Give a UUID of version 7, and the same one when you repeat it."
            )
        ts = self._time(item.get("ts"))
        if kind == ACTION:
            org, user = self._org(item.get("org")), _number("user", item.get("user"))
            self.batch.add_action(event_id, ts, org, user, _action_name(item.get("name", "")))
        elif isinstance(kind, str) and kind in KINDS:
            given = item.get("domain")
            domain = self.spelled.get(given) if isinstance(given, str) else None
            self.batch.add_mail(event_id, ts, KINDS[kind], domain or self._domain(given))
        else:
            raise Fault("kind", f"Use {ACTION}, {' or '.join(KINDS)}.")

    def _time(self, given: object) -> str:
        # What PostgreSQL reads exactly as we do goes through as it came.
        as_it_came = isinstance(given, str) and UTC_MOMENT.fullmatch(given) is not None
        if not isinstance(given, str) or not (as_it_came or ANY_MOMENT.fullmatch(given)):
            raise Fault("ts", "Give a date and time with its offset, as in 2026-01-31T12:00:00Z.")
        try:
            ts = datetime.fromisoformat(given)
            reason = self.window.fault(ts)
            written = given if as_it_came else ts.astimezone(UTC).isoformat()
        except (OverflowError, ValueError) as problem:
            raise Fault("ts", "There is no such moment.") from problem
        if reason:
            raise Fault("ts", reason)
        return written

    def _org(self, given: object) -> int:
        org = _number("org", given)
        if org not in self.orgs:
            raise Foreign("org", "You do not send for this organisation.")
        return org

    def _domain(self, given: object) -> str:
        if not isinstance(given, str):
            raise Fault("domain", "Give a domain name as text.")
        try:
            known = self.spelled[given] = normalise(given)
        except InvalidInput as refused:
            raise Fault("domain", refused.message) from refused
        return known


def _number(name: str, given: object) -> int:
    # A bool is an int to Python, and no number to anybody else.
    if type(given) is not int or not 0 < given <= MAX_ID:
        raise Fault(name, "Give a whole number from 1.")
    return given


def _action_name(given: object) -> str:
    if not isinstance(given, str) or len(given) > MAX_ACTION_NAME or not given.isprintable():
        raise Fault("name", f"Give at most {MAX_ACTION_NAME} printable characters.")
    return given


def _decode(text: bytes, line: int | None = None) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as problem:
        place = f"line {line or problem.lineno}, column {problem.colno}"
        raise _malformed(f"Not JSON at {place}: {problem.msg}.") from problem
    except (ValueError, RecursionError) as problem:
        place = f" at line {line}" if line else ""
        raise _malformed(
            f"Not JSON{place}: broken UTF-8, too deep, or too long a number."
        ) from problem


def _malformed(message: str) -> InvalidInput:
    return InvalidInput(message, code="malformed_request")


def _refusal(faults: dict[int, Fault]) -> QuaysideError:
    told = list(faults.items())[:FAULTS_TOLD]
    fields = {f"{index}.{fault.name}": [fault.reason] for index, fault in told}
    some = "" if len(told) == len(faults) else f"; the first {len(told)} are named"
    message = f"Nothing was stored: {len(faults)} of the events are at fault{some}."
    if all(isinstance(fault, Foreign) for fault in faults.values()):
        return Forbidden(message, code="foreign_organisation", fields=fields)
    return Unprocessable(message, fields=fields)
