"""Many addresses at once, streamed: a file of a million lines needs the memory of one batch."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, NamedTuple

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from balances.models import Address, Watch
from balances.services import addresses, seeding, watches
from balances.services.lookup import KEPT_FOR_NOBODY
from foundation.errors import InvalidInput

AT_ONCE: Final = 10_000
TOLD: Final = 20
COLUMNS: Final = ("address", "label", "group")


class Line(NamedTuple):
    raw: bytes
    label: str
    group: str


@dataclass(slots=True)
class Result:
    """``new`` addresses were not followed before; ``problems`` are the first few refused lines."""

    read: int = 0
    new: int = 0
    refused: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)


def import_watches(lines: Iterable[str], *, owner: User | None) -> Result:
    """Follow the addresses, one a line or CSV with a heading; for ``owner`` as watches.

    A transaction for each 10,000, and safe to repeat: names that stand already stay. Lines that are
    none are counted, and the others go in. Without an owner addresses are followed for good.
    """
    result = Result()
    rows = _rows(lines, result)
    while batch := list(islice(rows, AT_ONCE)):
        with transaction.atomic():
            result.new += _follow(batch, owner)
    return result


def _follow(batch: list[Line], owner: User | None) -> int:
    wanted = {line.raw: line for line in batch}
    known = Address.objects.filter(raw__in=wanted).count()
    found = seeding.follow(wanted)
    if owner is None:
        until = timezone.now() + KEPT_FOR_NOBODY
        Address.objects.filter(raw__in=wanted).update(looked_up_until=until)
    else:
        Watch.objects.bulk_create(
            (
                Watch(
                    owner=owner,
                    address=address,
                    label=wanted[bytes(address.raw)].label,
                    group=wanted[bytes(address.raw)].group,
                )
                for address in found
            ),
            ignore_conflicts=True,
        )
    return len(wanted) - known


def _rows(lines: Iterable[str], result: Result) -> Iterator[Line]:
    columns: list[str] | None = None
    for number, cells in enumerate(csv.reader(lines), 1):
        if not any(cell.strip() for cell in cells):
            continue
        if columns is None:
            named = [cell.strip().lower() for cell in cells]
            columns = named if "address" in named else list(COLUMNS)
            if columns is named:
                continue
        result.read += 1
        try:
            yield _line(dict(zip(columns, cells, strict=False)))
        except InvalidInput as problem:
            result.refused += 1
            if len(result.problems) < TOLD:
                result.problems.append((number, problem.message))


def _line(row: dict[str, str]) -> Line:
    facts = watches.checked({name: row.get(name) or "" for name in ("label", "group")})
    return Line(addresses.parse(row.get("address", "")), facts["label"], facts["group"])
