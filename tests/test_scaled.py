"""The desk through PgBouncer, with a streaming replica: both the real ones, and its own servers."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psycopg
import pytest

from demo import servers

ROOT = Path(__file__).resolve().parents[1]
DEADLINE = 60.0
MAX_LAG = 2
SEED = """
import json
from accounts.models import Scope
from accounts.services import tokens
from django.utils import timezone
from rates.services import candle_partitions
from rates.tests.desk import make_house_default, make_operator, make_pair

candle_partitions.keep_partitions(timezone.now())
make_pair("BTC_USD")
make_house_default()
people = {}
for name in ("editor", "reader"):
    made = tokens.create(
        user=make_operator(name), name=name, scopes=[Scope.OPERATOR], expires_at=None
    )
    people[name] = made[1]
print(json.dumps(people))
"""
# What Django's own command finds in force, and by which way it goes to the database.
TELL_TIMEOUTS = """
from unittest import mock
from django.core.management import call_command
from django.core.management.commands.migrate import Command
from django.db import connection, transaction

def tell(self, *arguments, **options):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('lock_timeout'), current_setting('statement_timeout')"
        )
        print(*cursor.fetchone(), connection.settings_dict["PORT"])

with mock.patch.object(Command, "handle", tell):
    call_command("migrate")
    call_command("migrate", "--check")
    call_command("migrate", "--plan")
"""
TAKE_LOCK = """
import sys
from django.db import connection
from balances.services.chain_lock import ChainLock, connect_directly

connect_directly()
print(ChainLock(7).take(), flush=True)
with connection.cursor() as cursor:
    cursor.execute("SHOW tcp_keepalives_idle")
    print(*cursor.fetchone(), connection.connection.info.get_parameters()["tcp_user_timeout"])
sys.stdout.flush()
sys.stdin.read()
"""

pytestmark = [
    pytest.mark.long,
    # Its servers are started once, by one worker.
    pytest.mark.xdist_group("scaled"),
    pytest.mark.skipif(
        shutil.which("pgbouncer") is None, reason="No PgBouncer: `apt-get install pgbouncer`."
    ),
]


class Machines:
    """A primary and its standby, PgBouncer before each, and a web process that knows of both."""

    def __init__(self, home):
        self.home = home
        self.port = {name: servers.free_port() for name in ("primary", "standby", "a", "b", "web")}
        self.password = secrets.token_hex(8)
        servers.let_traverse(home / "x")
        self.running = {}
        self.env = {
            **os.environ,
            "DATABASE_URL": self.url("a"),
            "DATABASE_REPLICA_URL": self.url("b"),
            "DATABASE_DIRECT_URL": self.url("primary"),
            "DATABASE_POOL_SIZE": "0",
            "REPLICA_MAX_LAG": str(MAX_LAG),
            "PORT": str(self.port["web"]),
            "LOG_LEVEL": "CRITICAL",
        }

    def url(self, name):
        login = f"{servers.POSTGRES_USER}:{self.password}"
        return f"postgresql://{login}@127.0.0.1:{self.port[name]}/postgres"

    def start(self, name, command, **options):
        with (self.home / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, **options
            )

    def start_server(self, name):
        data = self.home / name
        command = servers.postgres_command(data, port=self.port[name])
        self.start(name, command, cwd=data, **servers.run_as(servers.system_user()))
        servers.wait_for_postgres(self.url(name))

    def start_proxy(self, name, before):
        command = servers.pgbouncer_command(
            self.home / name, port=self.port[name], url=self.url(before), pool_size=2
        )
        self.start(name, command, **servers.run_as(servers.system_user()))
        servers.wait_for_postgres(self.url(name))

    def start_all(self):
        servers.initialise_postgres(self.home / "primary", password=self.password)
        self.start_server("primary")
        servers.replicate_postgres(self.url("primary"), self.home / "standby")
        self.start_server("standby")
        self.start_proxy("a", "primary")
        self.start_proxy("b", "standby")
        self.manage("migrate", "--verbosity", "0")
        self.tokens = json.loads(self.manage("shell", "--no-imports", "-c", SEED).splitlines()[-1])
        self.start("web", [sys.executable, "-m", "config.serve"], cwd=ROOT, env=self.env)
        self.until(lambda: self.ask("/healthz").status_code == 200)

    def stop(self):
        for name, child in reversed(self.running.items()):
            child.send_signal(signal.SIGCONT)
            child.send_signal(signal.SIGTERM if name == "web" else signal.SIGINT)
            child.wait(timeout=20)

    def manage(self, *arguments):
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, name, statement):
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def ask(self, path, *, by="", method="GET", **request):
        if by:
            request["headers"] = {"Authorization": f"Bearer {self.tokens[by]}"}
        url = f"http://127.0.0.1:{self.port['web']}{path}"
        try:
            return httpx.request(method, url, trust_env=False, timeout=15, **request)
        except httpx.TransportError:
            return httpx.Response(599)

    def set_spread(self, buy):
        body = {"unit": "bps", "buy": buy, "sell": "-40", "reason": "a test of two servers"}
        path = "/api/v1/rates/BTC_USD/spread"
        answer = self.ask(path, by="editor", method="PUT", json=body)
        assert answer.status_code == 200, answer.text

    def history(self, by):
        """The newest spread in the history, as this one sees it."""
        answer = self.ask("/api/v1/rates/BTC_USD/spread/history", by=by)
        assert answer.status_code == 200, answer.text
        found = answer.json()["results"]
        return found[0]["buy"] if found else None

    def until(self, true):
        deadline = time.monotonic() + DEADLINE
        while not true():
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def until_replica_answers(self):
        """Reads by others than the writer come from the standby: its queries are counted."""

        def answers():
            before = self._reads()
            self.history("reader")
            return self._reads() > before

        self.until(answers)

    def _reads(self):
        self.run("standby", "SELECT pg_stat_clear_snapshot()")
        ((reads,),) = self.run(
            "standby",
            "SELECT coalesce(sum(seq_scan + coalesce(idx_scan, 0)), 0)"
            " FROM pg_stat_user_tables WHERE relname = 'rates_spreadrule'",
        )
        return reads


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    made = Machines(tmp_path_factory.mktemp("machines"))
    try:
        made.start_all()
        yield made
    finally:
        made.stop()


@pytest.fixture
def both(machines):
    """With a standby that answers, in whatever state the test before left it."""
    machines.until_replica_answers()
    return machines


def test_who_wrote_sees_it_at_once_and_others_when_the_replica_has_it(both):
    both.set_spread("41")
    both.until(lambda: both.history("reader") == "41")
    both.run("standby", "SELECT pg_wal_replay_pause()")
    try:
        both.set_spread("42")
        assert both.history("editor") == "42"
        # The bound of the lag, after which the primary answers, has not passed yet.
        assert both.history("reader") == "41"
        both.until(lambda: both.history("reader") == "42")
    finally:
        both.run("standby", "SELECT pg_wal_replay_resume()")


def test_a_replica_that_is_killed_is_done_without_and_used_again(both):
    os.killpg(both.running["standby"].pid, signal.SIGKILL)
    both.running["standby"].wait()
    for buy in ("51", "52"):
        both.set_spread(buy)
        assert both.history("reader") == buy
    both.start_server("standby")
    both.until_replica_answers()


def test_no_setting_statement_or_lock_stays_on_a_connection_that_goes_round(both):
    assert both.run("a", "SHOW work_mem") == both.run("primary", "SHOW work_mem")
    for _ in range(5):
        assert both.ask("/api/metrics/top-orgs?search=an").status_code == 200
        assert both.ask("/api/v1/rates/BTC_USD/candles").status_code == 200
    for name in ("a", "b"):
        # Of two connections at most, each of which has had all of the above.
        for _ in range(4):
            assert both.run(name, "SHOW work_mem") == both.run("primary", "SHOW work_mem")
            assert both.run(name, "SELECT count(*) FROM pg_prepared_statements") == [(0,)]
    assert both.run("primary", "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [
        (0,)
    ]


def test_the_patience_of_a_migration_is_in_force_for_it_alone(both):
    told = both.manage("shell", "--no-imports", "-c", TELL_TIMEOUTS).splitlines()[-3:]
    direct, proxy = both.port["primary"], both.port["a"]
    assert told == [f"5s 1min {direct}", f"0 0 {proxy}", f"0 0 {proxy}"]
    both.manage("migrate", "--check")
    for _ in range(4):
        assert both.run("a", "SHOW lock_timeout") == [("0",)]
        assert both.run("a", "SHOW statement_timeout") == [("0",)]


def test_candles_are_read_from_the_replica(both):
    def scans():
        both.run("standby", "SELECT pg_stat_clear_snapshot()")
        ((found,),) = both.run(
            "standby",
            "SELECT coalesce(sum(seq_scan + coalesce(idx_scan, 0)), 0)"
            " FROM pg_stat_user_tables WHERE relname LIKE 'rates_candle1m%'",
        )
        return found

    def came_from_there():
        before = scans()
        assert both.ask("/api/v1/rates/BTC_USD/candles", by="reader").status_code == 200
        return scans() > before

    both.until(came_from_there)


def test_the_lock_of_a_follower_is_held_past_the_proxy_and_ends_with_its_process(both):
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", TAKE_LOCK]

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=both.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    with start() as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "True\n"
        # A machine that is lost with the lock is noticed in seconds, by either side.
        assert first.stdout.readline() == "5 10000\n"
        with start() as second:
            assert second.stdout is not None
            assert second.stdin is not None
            assert second.stdout.readline() == "False\n"
            second.stdin.close()
        first.kill()
    both.until(
        lambda: (
            both.run("primary", "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
            == [(0,)]
        )
    )
