from __future__ import annotations

import dataclasses
import json
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from rates.coins.management.commands.topcoins import table
from rates.coins.services import health

HEADS = ("Source", "State", "Rows", "Age", "Failures", "Credits left", "May be asked", "Last error")


class Command(BaseCommand):
    help = "Tells how each source of coins is: its health, what is left of its budget, its errors."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--format", choices=["table", "json"], default="table")

    def handle(self, **options: Any) -> None:
        now = timezone.now()
        found = health.sources(now)
        if options["format"] == "json":
            rows = [dataclasses.asdict(item) for item in found]
            self.stdout.write(json.dumps(rows, cls=DjangoJSONEncoder, indent=2))
        else:
            self.stdout.write(table([HEADS, *(_cells(item, now) for item in found)]))


def _cells(item: health.Health, now: datetime) -> tuple[str, ...]:
    age = "-" if item.fetched_at is None else f"{(now - item.fetched_at).total_seconds():.0f} s"
    left = "no end" if item.credits_left is None else f"{item.credits_left:,}"
    later = item.next_allowed_at is not None and item.next_allowed_at > now
    when = f"{item.next_allowed_at:%Y-%m-%d %H:%M:%S}" if later else "now"
    error = f"{item.error}: {item.message}" if item.error else "-"
    cells = (item.label, item.state, str(item.rows), age, str(item.failures), left, when, error)
    return tuple(cell.replace("\n", " ")[:80] for cell in cells)
