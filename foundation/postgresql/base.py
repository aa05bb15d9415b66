"""Django's own backend, which counts lost connections and tells of slow statements.

Django names a backend by its package: ``foundation.postgresql``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import psycopg
import structlog
from django.conf import settings
from django.db import OperationalError
from django.db.backends.postgresql import base
from prometheus_client import Counter

logger = structlog.get_logger(__name__)

# Enough to find a statement in the code. Its values, which Django keeps apart, are never told.
LONGEST_STATEMENT: Final = 300

FAILURES: Final = Counter(
    "quayside_database_failures_total",
    "Connections to the database that were not to be had, or broke under a statement",
    ["database", "kind"],
)


class DatabaseWrapper(base.DatabaseWrapper):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute_wrappers.append(self._watch)

    def get_new_connection(self, conn_params: Any) -> Any:
        try:
            return super().get_new_connection(conn_params)
        except psycopg.OperationalError:
            FAILURES.labels(self.alias, "connect").inc()
            raise

    def _watch(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        except OperationalError:
            # PgBouncer accepts a client before it has a server, and hangs up if it finds none.
            if self.connection is None or self.connection.closed:
                FAILURES.labels(self.alias, "lost").inc()
            raise
        finally:
            taken = (time.perf_counter() - began) * 1000
            if taken >= settings.SLOW_STATEMENT_MS:
                # What is composed in psycopg's way may hold values.
                text = " ".join(sql.split()) if isinstance(sql, str) else "(composed)"
                logger.warning(
                    "slow statement",
                    statement=text[:LONGEST_STATEMENT],
                    milliseconds=round(taken),
                    database=self.alias,
                )
