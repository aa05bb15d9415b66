"""Django's ``migrate``, which gives up rather than make everybody wait."""

from __future__ import annotations

from typing import Any, Final

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import OperationalError, connections
from psycopg.errors import LockNotAvailable, QueryCanceled

# Whoever waits for a lock on a table makes all others wait behind it.
LOCK_TIMEOUT: Final = "5s"
STATEMENT_TIMEOUT: Final = "60s"


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('lock_timeout', %s, false),"
                " set_config('statement_timeout', %s, false)",
                [LOCK_TIMEOUT, STATEMENT_TIMEOUT],
            )
        try:
            super().handle(*args, **options)
        except OperationalError as problem:
            if not isinstance(problem.__cause__, LockNotAvailable | QueryCanceled):
                raise
            raise CommandError(
                f"Given up so that nobody waits: {problem} What was not applied is undone; run "
                "this again, at a quieter time."
            ) from problem
        finally:
            with connection.cursor() as cursor:
                cursor.execute("RESET lock_timeout; RESET statement_timeout")
