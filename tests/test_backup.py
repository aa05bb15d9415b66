"""A copy taken while everything is written to, put into another database that answers the same."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.db import connection, connections
from django.utils import timezone

from accounts.models import Scope
from accounts.services import tokens
from balances.tests import ledger
from foundation import valkey
from foundation.backups import manifest, restoring, server, taking
from orgs.services import board, ids, ingest, partitions
from orgs.services.batches import Batch
from orgs.services.board import Period
from orgs.tests.companies import make_desk_manager, make_org
from rates.services.candle_partitions import make_partitions
from rates.tests.desk import make_house_default, make_pair
from rates.tests.test_api_candles import minutes

# What these share is made once, by one worker.
pytestmark = [
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("backup"),
]
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
PAGES = [
    "/api/metrics/top-orgs?search=harbour&limit=2",
    f"/api/v1/balances/{ledger.text(1)}",
    "/api/v1/rates/BTC_USD/candles?from=2026-03-01&to=2026-03-03",
]
ASK = """
import json, sys, django
django.setup()
from django.test import Client
client = Client(headers={"Authorization": "Bearer " + sys.argv[1]})
print(json.dumps([client.get(page).json() for page in sys.argv[2:]]))
"""
# What tells the time of the question, not of the data.
AGES = re.compile(r'"age_seconds": [0-9.]+')


@pytest.fixture
def desk():
    """A little of everything, and the token of somebody who may see it."""
    partitions.make_ahead(timezone.now())
    for number, name in enumerate(("One", "Two", "Six")):
        make_org(f"Harbour {name}", actions=number)
    board.build(Period.ALL)
    make_house_default()
    make_partitions({MARCH})
    minutes(make_pair(price_decimals=1), "100", "101.25", "99")
    chain = ledger.make_chain(head=20)
    address = ledger.make_address(1)
    ledger.make_history(address, ledger.native(chain), {3: ledger.ETHER, 9: 5 * ledger.ETHER})
    _, secret = tokens.create(
        user=make_desk_manager(), name="reader", scopes=[Scope.READ], expires_at=None
    )
    return secret


@pytest.fixture
def fresh():
    """An empty database on the same server, by its address; dropped afterwards."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as admin:
        admin.execute("DROP DATABASE IF EXISTS quayside_restored WITH (FORCE)")
        admin.execute("CREATE DATABASE quayside_restored")
        yield address_of("quayside_restored")
        admin.execute("DROP DATABASE quayside_restored WITH (FORCE)")


def address_of(database):
    return os.environ["DATABASE_URL"].rsplit("/", 1)[0] + f"/{database}"


def run(arguments, database):
    environment = {
        **os.environ,
        "DATABASE_URL": database,
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )


def manage(*arguments, database):
    return run(["manage.py", *map(str, arguments)], database)


def here():
    return address_of(connection.settings_dict["NAME"])


class Load:
    """Writes actions of organisations 900 to 903 from several connections until told to stop."""

    def __init__(self) -> None:
        self.stopping, self.written = threading.Event(), threading.Semaphore(0)
        self.threads = [threading.Thread(target=self._write, args=[n]) for n in range(3)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        for _ in range(20):
            assert self.written.acquire(timeout=30)
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(30)

    def _write(self, number: int) -> None:
        try:
            while not self.stopping.is_set():
                batch = Batch()
                now = timezone.now().isoformat()
                batch.add_action(ids.new_id(), now, 900 + number, 1 + number, "quote.viewed")
                ingest.store(batch)
                self.written.release()
        finally:
            connections.close_all()


@pytest.fixture
def target(fresh, monkeypatch):
    """The fresh database, which copies are put into from here on."""
    known = server.facts() | {"NAME": "quayside_restored"}
    monkeypatch.setattr(server, "facts", lambda: dict(known))
    return fresh


def rows(database, question):
    with psycopg.connect(database) as asked:
        return asked.execute(question).fetchall()


@pytest.fixture
def copy(desk, tmp_path):
    return taking.take(tmp_path / "copies", timezone.now())


def without_tables(database):
    return rows(database, "SELECT to_regclass('orgs_stat')") == [(None,)]


def test_what_was_copied_under_load_answers_the_same_elsewhere(desk, fresh, tmp_path):
    with Load():
        taken = manage("backup", tmp_path, database=here())
        assert taken.returncode == 0, taken.stderr
    (copy,) = tmp_path.iterdir()
    put_back = manage("restore", copy, database=fresh)
    assert put_back.returncode == 0, put_back.stderr
    assert "all as they were when copied" in put_back.stdout

    asked = ["-c", ASK, desk, *PAGES]
    original, restored = (AGES.sub("", run(asked, of).stdout) for of in (here(), fresh))
    assert restored == original
    assert restored.index("Harbour Six") < restored.index("Harbour Two")
    assert str(5 * ledger.ETHER) in restored
    assert restored.count('"ticks"') == 3

    # One moment: no counter is ahead of its events or behind them.
    (events,) = rows(fresh, "SELECT count(*) FROM orgs_event")[0]
    (counted,) = rows(fresh, "SELECT sum(actions) FROM orgs_stat WHERE org_id >= 900")[0]
    (by_day,) = rows(fresh, "SELECT sum(actions) FROM orgs_org_day WHERE org_id >= 900")[0]
    assert events == counted == by_day >= 20


def test_a_database_that_holds_something_is_left_alone_unless_told(copy, target):
    restoring.restore(copy)
    with psycopg.connect(target) as other:
        other.execute("CREATE TABLE orgs_of_tomorrow (id int)")
        other.execute("DELETE FROM orgs_stat")
    with pytest.raises(restoring.DatabaseNotEmpty):
        restoring.restore(copy)
    assert rows(target, "SELECT count(*) FROM orgs_stat") == [(0,)]

    restoring.restore(copy, replace=True)
    assert rows(target, "SELECT count(*) FROM orgs_stat") == [(3,)]
    assert rows(target, "SELECT to_regclass('orgs_of_tomorrow')") == [(None,)]


def test_nothing_is_restored_under_the_feet_of_a_running_process(copy, target):
    with psycopg.connect(target), pytest.raises(restoring.DatabaseInUse):
        restoring.restore(copy)
    assert without_tables(target)


def test_a_damaged_copy_is_refused_before_anything_is_touched(copy, target):
    with (copy / taking.DUMP).open("r+b") as dump:
        dump.seek(5_000)
        dump.write(b"damage")
    with pytest.raises(restoring.NotABackup, match="damaged"):
        restoring.restore(copy, replace=True)
    assert without_tables(target)


def test_a_restore_that_breaks_off_leaves_the_database_as_it_was(copy, target):
    restoring.restore(copy)
    # A dump that pg_restore itself gives up on, described as if it were whole.
    dump, described = copy / taking.DUMP, json.loads((copy / taking.MANIFEST).read_text())
    dump.write_bytes(dump.read_bytes()[: dump.stat().st_size // 2])
    described["dump"]["sha256"] = taking.digest(dump)
    (copy / taking.MANIFEST).write_text(json.dumps(described))
    with pytest.raises(restoring.NotRestored, match="Nothing was changed"):
        restoring.restore(copy, replace=True)
    assert rows(target, "SELECT count(*) FROM orgs_stat") == [(3,)]


def test_a_table_that_differs_from_what_was_copied_is_named(copy, target):
    described = json.loads((copy / taking.MANIFEST).read_text())
    described["tables"]["public.orgs_stat"]["rows"] += 1
    described["tables"]["public.rates_pair"]["hash"] = "1"
    (copy / taking.MANIFEST).write_text(json.dumps(described))
    with pytest.raises(restoring.Different) as told:
        restoring.restore(copy)
    assert "public.orgs_stat: 3 rows instead of 4" in told.value.message
    assert "public.rates_pair: other rows" in told.value.message


def test_a_sequence_that_would_give_out_a_taken_number_is_named(copy, target):
    restoring.restore(copy)
    with psycopg.connect(target) as other:
        assert manifest.lagging_sequences(other) == []
        other.execute("SELECT setval('orgs_organisation_id_seq', 1)")
        (told,) = manifest.lagging_sequences(other)
    assert told.startswith("orgs_organisation_id_seq: at 1, while orgs_organisation holds")


def test_what_valkey_remembers_of_the_old_database_is_forgotten(copy, target):
    valkey.client().set("rates:spreads:v", 99)
    assert restoring.restore(copy).forgotten
    assert valkey.client().dbsize() == 0


def test_a_copy_is_for_its_owners_eyes_and_names_no_password(copy):
    assert {path.name for path in copy.iterdir()} == {taking.DUMP, taking.MANIFEST}
    assert [path.stat().st_mode & 0o077 for path in (copy, *copy.iterdir())] == [0, 0, 0]
    assert server.facts()["PASSWORD"] not in (copy / taking.MANIFEST).read_text()


def test_a_copy_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "find", lambda program, version: Path("/bin/false"))
    with pytest.raises(taking.NotTaken):
        taking.take(tmp_path, timezone.now())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "{}", '{"format": 2}', "[]"])
def test_a_folder_that_is_no_copy_is_refused(tmp_path, content):
    (tmp_path / taking.MANIFEST).write_text(content)
    with pytest.raises(restoring.NotABackup):
        restoring.read(tmp_path)


def test_programs_older_than_the_server_are_not_used(tmp_path, monkeypatch):
    old = tmp_path / "pg_dump"
    old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert server.find("pg_dump", 180_000) != old
    with pytest.raises(server.NoSuchProgram):
        server.find("pg_dump", 990_000)
