"""What docs/scaling.md says of the tables that would be sharded is so in the database."""

from __future__ import annotations

import re

import pytest
from django.conf import settings
from django.db import connection

TEXT = (settings.BASE_DIR / "docs" / "scaling.md").read_text()
ROWS = re.findall(r"^\| `(orgs_\w+)` \| `([^`]+)` \| `(\w+)` \| (.*) \|$", TEXT, re.MULTILINE)
pytestmark = pytest.mark.django_db


def ask(statement, *values):
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()


def primary_key(table):
    found = ask(
        """
        SELECT a.attname FROM pg_index i
        CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS key (number, place)
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = key.number
        WHERE i.indrelid = %s::regclass AND i.indisprimary ORDER BY place
        """,
        table,
    )
    return [name for (name,) in found]


def columns(table):
    found = ask("SELECT column_name FROM information_schema.columns WHERE table_name = %s", table)
    return {name for (name,) in found}


def test_the_page_tells_of_every_table_of_events():
    assert len(ROWS) == 9


@pytest.mark.parametrize(("table", "key", "shard", "changes"), ROWS, ids=[row[0] for row in ROWS])
def test_a_table_has_the_key_and_the_column_that_it_would_be_sharded_by(table, key, shard, changes):
    assert primary_key(table) == key.split(", ")
    assert shard in columns(table)
    # A unique key must hold the column that tells the shard, or it is to be changed first.
    assert (shard in key.split(", ")) == (changes == "nothing")


@pytest.mark.parametrize("table", [row[0] for row in ROWS])
def test_no_foreign_key_ties_a_table_of_events_to_another(table):
    tied = ask(
        "SELECT conname FROM pg_constraint"
        " WHERE contype = 'f' AND %s::regclass IN (conrelid, confrelid)",
        table,
    )
    assert tied == []
