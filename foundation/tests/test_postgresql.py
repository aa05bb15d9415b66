"""Statements that take long are logged without their values, and lost connections are counted."""

from __future__ import annotations

import psycopg
import pytest
from django.db import DEFAULT_DB_ALIAS, OperationalError, connection, connections
from structlog.testing import capture_logs

from foundation.postgresql.base import FAILURES


def failures(kind):
    return FAILURES.labels(DEFAULT_DB_ALIAS, kind)._value.get()


@pytest.mark.django_db
def test_a_slow_statement_is_logged_without_what_was_asked_for(settings):
    settings.SLOW_STATEMENT_MS = 250
    with capture_logs() as logs, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.execute("SELECT pg_sleep(0.3),\n %s", ["ann@example.com"])
    [told] = logs
    assert told["event"] == "slow statement"
    assert told["statement"] == "SELECT pg_sleep(0.3), %s"
    assert told["milliseconds"] >= 30
    assert "ann@example.com" not in str(told)


@pytest.mark.django_db(transaction=True)
def test_a_server_that_cannot_be_reached_is_counted():
    nowhere = connections.create_connection(DEFAULT_DB_ALIAS)
    options = {
        name: value for name, value in nowhere.settings_dict["OPTIONS"].items() if name != "pool"
    }
    nowhere.settings_dict = {**nowhere.settings_dict, "PORT": "1", "OPTIONS": options}
    before = failures("connect")
    with pytest.raises(OperationalError):
        nowhere.ensure_connection()
    assert failures("connect") == before + 1


@pytest.mark.direct
@pytest.mark.django_db(transaction=True)
def test_a_connection_that_breaks_under_a_statement_is_counted_and_a_failing_statement_is_not():
    broken = connections.create_connection(DEFAULT_DB_ALIAS)
    before = failures("lost")
    try:
        with broken.cursor() as cursor:
            cursor.execute("SET statement_timeout = 10")
            with pytest.raises(OperationalError):
                cursor.execute("SELECT pg_sleep(1)")
            assert failures("lost") == before
            facts = {**connection.get_connection_params(), "cursor_factory": psycopg.Cursor}
            with psycopg.connect(**facts, autocommit=True) as other:
                pid = broken.connection.info.backend_pid
                other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
            with pytest.raises(OperationalError):
                cursor.execute("SELECT 1")
    finally:
        broken.close()
    assert failures("lost") == before + 1
