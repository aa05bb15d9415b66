"""Fixtures that every app's tests may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management.commands import flush
from django.db import connections
from django.db.backends.postgresql.operations import DatabaseOperations
from pytest_django.fixtures import Settings

from foundation import replica, valkey
from rates.coins.services import board as coins
from rates.coins.services import source_book

# Tests of many at once, on a machine that runs other tests, wait longer than people would.
valkey.CONNECT_TIMEOUT = valkey.POOL_TIMEOUT = 20.0


@pytest.fixture(autouse=True)
def _empty_valkey() -> None:
    """Each test starts with an empty Valkey, as it starts with an empty database."""
    valkey.client().flushall()
    # What this process remembers of the coins of an earlier test is gone as well.
    coins.memory.forget()


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Settings) -> None:
    """Real password hashing is slow on purpose; no test is about its strength."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _plain_static_names(settings: Settings) -> None:
    """Hashed names need a collected manifest; tests name files as they lie in static/."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that commit may read from the replica, where the run has one."""
    if not replica.configured():
        return
    for item in items:
        if item.get_closest_marker("direct"):
            item.add_marker(pytest.mark.skip(reason="PgBouncer stands between"))
        mark = item.get_closest_marker("django_db")
        if mark is not None and mark.kwargs.get("transaction"):
            both = {**mark.kwargs, "databases": [replica.PRIMARY, replica.REPLICA]}
            item.add_marker(pytest.mark.django_db(*mark.args, **both), append=False)


# What migrations write and no test changes for others; making it anew would take most of the time.
# The groups stay with the rights: a role is given those rights alone that are new.
KEPT = {
    *("django_content_type", "auth_permission", "auth_group", "auth_group_permissions"),
    "rates_pricetier",
}


def _empty(self: DatabaseOperations, style: Any, tables: list[str], **options: Any) -> list[str]:
    """Django truncates every table after a test that commits, 200 ms for our 150 of them."""
    names = [table for table in tables if table not in KEPT]
    questions = [
        f"SELECT '{name}' WHERE EXISTS (SELECT FROM {self.quote_name(name)})"  # noqa: S608
        for name in names
    ]
    with self.connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(questions))
        filled = [name for (name,) in cursor.fetchall()]
        # The board's copies are no models: those that hold something are emptied beside them.
        cursor.execute("SELECT period, version FROM orgs_board_version WHERE total > 0")
        copies = [f"orgs_board_{period}_g{version}" for period, version in cursor.fetchall()]
    # As a replica nothing is checked, neither references nor what must not be deleted.
    deletions = [f"DELETE FROM {self.quote_name(name)};" for name in filled]  # noqa: S608
    deletions += [f"DELETE FROM {copy};" for copy in copies]  # noqa: S608
    if copies or "orgs_organisation" in filled:
        deletions += ["DELETE FROM orgs_board_delta;", "UPDATE orgs_board_version SET total = 0;"]
    return ["SET LOCAL session_replication_role = replica;", *deletions] if deletions else []


def _begin_anew(*args: Any, **options: Any) -> None:
    """What apps do after each migration, but for asking whether every right is there: that is most
    of the time of a flush, and all of them are kept."""
    source_book.make_missing()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """A worker's database is a copy of one that was migrated for all of them."""
    if template := os.environ.get("QUAYSIDE_TEST_TEMPLATE"):
        connections["default"].settings_dict["TEST"]["TEMPLATE"] = template


@pytest.fixture(scope="session", autouse=True)
def _quick_flush() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "sql_flush", _empty)
        patch.setattr(flush, "emit_post_migrate_signal", _begin_anew)
        yield
