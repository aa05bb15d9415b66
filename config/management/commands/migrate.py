"""Django's ``migrate``, which gives up rather than make everybody wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections
from psycopg.errors import LockNotAvailable, QueryCanceled

# Whoever waits for a lock on a table makes all others wait behind it.
LOCK_TIMEOUT: Final = "5s"
STATEMENT_TIMEOUT: Final = "60s"


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        if options["check_unapplied"] or options["plan"]:
            # They only read, and go by any connection.
            super().handle(*args, **options)
            return
        with _directly(options["database"]), _impatiently(options["database"]):
            try:
                super().handle(*args, **options)
            except OperationalError as problem:
                if not isinstance(problem.__cause__, LockNotAvailable | QueryCanceled):
                    raise
                raise CommandError(
                    f"Given up so that nobody waits: {problem} What was not applied is undone; "
                    "run this again, at a quieter time."
                ) from problem


@contextmanager
def _directly(alias: str) -> Iterator[None]:
    """Past a proxy that hands connections around, to the database of the same name: what a session
    is told there would be in force for whoever comes next, and not for the migration."""
    if alias != DEFAULT_DB_ALIAS or not settings.DATABASE_DIRECT:
        yield
        return
    connection = connections[alias]
    facts = connection.settings_dict
    before = dict(facts)
    connection.close()
    facts.update({**settings.DATABASE_DIRECT, "NAME": facts["NAME"], "TEST": facts["TEST"]})
    facts["OPTIONS"] = dict(settings.DATABASE_DIRECT.get("OPTIONS", {}))
    for name in ("TIME_ZONE", "ATOMIC_REQUESTS", "AUTOCOMMIT"):
        facts[name] = before[name]
    try:
        yield
    finally:
        connection.close()
        facts.update(before)


@contextmanager
def _impatiently(alias: str) -> Iterator[None]:
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "SELECT set_config('lock_timeout', %s, false),"
            " set_config('statement_timeout', %s, false)",
            [LOCK_TIMEOUT, STATEMENT_TIMEOUT],
        )
    try:
        yield
    finally:
        with connections[alias].cursor() as cursor:
            cursor.execute("RESET lock_timeout; RESET statement_timeout")
