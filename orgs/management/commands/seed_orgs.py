from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orgs.services import seeding

MOST = 20_000_000
WIDTH = 30


class Command(BaseCommand):
    help = "Store organisations with believable names and counters, and build the board."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--count", type=int, default=1000)
        parser.add_argument("--seed", type=int, default=1, help="the same seed, the same names")

    def handle(self, *, count: int, seed: int, **options: Any) -> None:
        if not 1 <= count <= MOST:
            raise CommandError(f"--count must be from 1 to {MOST:,}.")
        began = time.monotonic()
        seeding.add_organisations(count, seed=seed, progress=self._bar(count))
        seconds = time.monotonic() - began
        self.stdout.write(self.style.SUCCESS(f"{count:,} organisations in {seconds:.1f} s."))

    def _bar(self, count: int) -> Any:
        """Draws on a terminal only: in a log each step would be a line."""

        def draw(done: int) -> None:
            if sys.stderr.isatty():
                filled = "#" * (WIDTH * done // count)
                end = "\n" if done >= count else ""
                self.stderr.write(f"\r[{filled:<{WIDTH}}] {done:,} of {count:,}", ending=end)

        return draw
