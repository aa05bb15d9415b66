"""Copy the database: ``backup FOLDER``."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from foundation import tallies
from foundation.backups import restoring, taking
from foundation.errors import QuaysideError


class Command(BaseCommand):
    help = (
        "Copy the whole database, as it is in one moment, into a new folder below FOLDER. "
        "Everything may go on running."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", metavar="FOLDER", type=Path)
        parser.add_argument(
            "--keep", type=int, metavar="N", help="Delete all but the newest N of them afterwards."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = taking.take(options["folder"], timezone.now())
            tables = restoring.read(done)
        except QuaysideError as problem:
            raise CommandError(problem.message) from problem
        except (psycopg.OperationalError, OSError) as problem:
            raise CommandError(f"No backup was taken: {problem}") from problem
        # For `/metrics`: an alert tells when backups stop.
        tallies.tell(tallies.kept(taking.MADE_AT, value=round(time.time())))
        if options["keep"] is not None:
            for older in taking.forget(options["folder"], options["keep"]):
                self.stdout.write(f"{older}: deleted")
        rows = sum(content.rows for content in tables.values())
        self.stdout.write(f"{done}: {len(tables)} tables, {rows} rows")
