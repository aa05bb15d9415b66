"""Copy the database: ``backup FOLDER``."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

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

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = taking.take(options["folder"], timezone.now())
            tables = restoring.read(done)
        except QuaysideError as problem:
            raise CommandError(problem.message) from problem
        except (psycopg.OperationalError, OSError) as problem:
            raise CommandError(f"No backup was taken: {problem}") from problem
        rows = sum(content.rows for content in tables.values())
        self.stdout.write(f"{done}: {len(tables)} tables, {rows} rows")
