"""Put a copy of the database back: ``restore BACKUP``."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError

from foundation.backups import restoring
from foundation.errors import QuaysideError


class Command(BaseCommand):
    help = (
        "Put what `backup` made into the database of DATABASE_URL, compare every table with it, "
        "and empty the Valkey of REDIS_URL. Stop every process first, and start them afterwards."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("backup", metavar="BACKUP", type=Path)
        parser.add_argument(
            "--replace", action="store_true", help="Lose what the database holds now."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            restored = restoring.restore(options["backup"], replace=options["replace"])
        except QuaysideError as problem:
            raise CommandError(problem.message) from problem
        except psycopg.OperationalError as problem:
            raise CommandError(f"The database cannot be reached: {problem}") from problem
        self.stdout.write(
            f"{restored.tables} tables, {restored.rows} rows, all as they were when copied"
        )
        if not restored.forgotten:
            raise CommandError(
                "Valkey was not reached. Empty it (FLUSHDB) before anything is started."
            )
