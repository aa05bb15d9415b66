"""``kill -9`` of the web process and of PostgreSQL under load: what was acknowledged is counted.

Servers of the test's own, since those that the other tests share do not wait for the disk.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import psycopg
import pytest

from demo import servers
from orgs.services import ids
from orgs.tests.events import IN_FULL, mail

ROOT = Path(__file__).resolve().parents[2]
# In full they are 200,000 events: 8 senders of 1,000 singles and 24 calls of 1,000 each.
SENDERS, SINGLES, CALLS, CALL = (8, 1_000, 24, 1_000) if IN_FULL else (8, 120, 6, 100)
DEADLINE = 600.0 if IN_FULL else 90.0
# Seconds between two kills, of which there are so many of each.
PAUSE = 2.0 if IN_FULL else 0.4
KILLS = 4 if IN_FULL else 1


class Machine:
    """A PostgreSQL and a web process, each of which can be killed and started again."""

    def __init__(self, home):
        self.home, self.data = home, home / "postgres"
        self.database_port, self.port = servers.free_port(), servers.free_port()
        password = secrets.token_hex(8)
        servers.let_traverse(home / "x")
        servers.initialise_postgres(self.data, password=password)
        self.url = (
            f"postgresql://{servers.POSTGRES_USER}:{password}"
            f"@127.0.0.1:{self.database_port}/postgres"
        )
        # Of the run's own servers nothing: not even the way past PgBouncer.
        kept = {name: value for name, value in os.environ.items() if "DATABASE_" not in name}
        self.env = {
            **kept,
            "DATABASE_URL": self.url,
            "DATABASE_POOL_SIZE": "4",
            "PORT": str(self.port),
            "QUAYSIDE_OPEN_ENDPOINTS": "events",
            "LOG_LEVEL": "CRITICAL",
        }
        self.running = {}
        self.killed = set()
        self.secret = ""

    def start(self, name):
        if name == "postgres":
            command = servers.postgres_command(self.data, port=self.database_port)
            owner = servers.run_as(servers.system_user())
            options = {"cwd": self.data, **owner}
        else:
            command, options = [sys.executable, "-m", "config.serve"], {"cwd": ROOT}
        with (self.home / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command, stdout=log, stderr=log, env=self.env, start_new_session=True, **options
            )

    def kill(self, name):
        # With the children of its own that PostgreSQL has: one that outlived it would hold its
        # memory, and keep the next one from starting.
        os.killpg(self.running[name].pid, signal.SIGKILL)
        self.running[name].wait()
        self.killed.add(name)

    def keep(self, name):
        """Start it until it listens."""
        port = self.port if name == "web" else self.database_port
        deadline = time.monotonic() + DEADLINE
        while True:
            if self.running[name].poll() is not None:
                self.start(name)
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            assert time.monotonic() < deadline, f"{name} does not start"
            time.sleep(0.05)

    def manage(self, *arguments):
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def read(self, question):
        with psycopg.connect(self.url) as connection:
            return connection.execute(question).fetchall()


@pytest.fixture
def machine(tmp_path_factory):
    made = Machine(tmp_path_factory.mktemp("machine"))
    try:
        made.start("postgres")
        servers.wait_for_postgres(made.url)
        made.manage("migrate", "--verbosity", "0")
        made.secret = made.manage("shell", "--no-imports", "-c", MAKE_KEY).split()[-1]
        made.start("web")
        yield made
    finally:
        # In the order in which they need each other, and without waiting for open sessions.
        for name, kindly in (("web", signal.SIGTERM), ("postgres", signal.SIGINT)):
            child = made.running.get(name)
            if child is not None:
                child.send_signal(kindly)
                child.wait(timeout=20)


MAKE_KEY = """
from orgs.tests.events import an_organisation
print(an_organisation()[1])
"""


async def until_answered(client, method, path, **request):
    """Repeat a request until it is acknowledged."""
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            answer = await client.request(method, path, **request)
            if answer.status_code in (202, 204):
                return
            assert answer.status_code in (429, 503), answer.text
        except httpx.TransportError:
            # Killed before it could say whether.
            pass
        assert time.monotonic() < deadline, "it was never acknowledged"
        await asyncio.sleep(0.05)


async def send(machine, singles, calls, plain):
    """Everything with ids until acknowledged; what has none once. Returns acknowledged ones."""
    acknowledged = 0
    header = {"Authorization": f"Bearer {machine.secret}", "Content-Type": "application/json"}

    async def keyed(client, domain, key):
        path = f"/v1/events/{domain}/delivered"
        await until_answered(client, "PUT", path, headers={"Idempotency-Key": key})

    async def call(client, events):
        body = json.dumps(events).encode()
        await until_answered(client, "POST", "/api/v1/events", content=body, headers=header)

    async def once(client, domain):
        nonlocal acknowledged
        try:
            answer = await client.put(f"/v1/events/{domain}/bounced")
        except httpx.TransportError:
            return
        acknowledged += answer.status_code == 204

    async def one_sender(client, number):
        for turn in range(SINGLES):
            await keyed(client, *singles[number * SINGLES + turn])
            await once(client, plain)
            if turn % (SINGLES // CALLS) == 0 and turn // (SINGLES // CALLS) < CALLS:
                await call(client, calls[number * CALLS + turn // (SINGLES // CALLS)])

    base = f"http://127.0.0.1:{machine.port}"
    limits = httpx.Limits(max_connections=SENDERS)
    async with httpx.AsyncClient(base_url=base, trust_env=False, limits=limits, timeout=10) as c:
        await asyncio.gather(*(one_sender(c, number) for number in range(SENDERS)))
    return acknowledged


def disturb(machine, ended):
    """Kill one, then the other, as long as there is load; let both live in the end."""
    for name in ["web", "postgres"] * KILLS:
        if ended.wait(PAUSE):
            return
        machine.kill(name)
        machine.keep(name)
        # Time to come back, and to take some events.
        ended.wait(4 * PAUSE)


def test_what_is_acknowledged_is_counted_once_whoever_is_killed(machine):
    singles = [(f"s{number % 50}.example", ids.new_id()) for number in range(SENDERS * SINGLES)]
    calls = [
        [mail(f"b{number % 50}.example") for number in range(CALL)] for _ in range(SENDERS * CALLS)
    ]
    ended = threading.Event()
    killer = threading.Thread(target=disturb, args=[machine, ended])
    killer.start()
    try:
        acknowledged = asyncio.run(send(machine, singles, calls, "plain.example"))
    finally:
        ended.set()
        killer.join()
    assert machine.killed == {"web", "postgres"}
    counted = {
        domain: (delivered, bounced)
        for domain, delivered, bounced in machine.read("SELECT * FROM orgs_mail_domain")
    }
    # Without an id, an event whose answer was lost may have been counted.
    bounced = counted.pop("plain.example")[1]
    assert acknowledged <= bounced <= SENDERS * SINGLES
    sent = Counter(domain for domain, _ in singles)
    sent.update(event["domain"] for call in calls for event in call)
    assert counted == {domain: (number, 0) for domain, number in sent.items()}
    assert machine.read("SELECT count(*) FROM orgs_mail_event") == [(sum(sent.values()),)]
