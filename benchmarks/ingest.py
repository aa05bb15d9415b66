"""What the event stream takes: ``python -m benchmarks.ingest``.

Server, PostgreSQL and clients share both cores as they like, since two writers keep the server and
PostgreSQL busy at once; every figure is durable before its answer. Beside ours stands what the
replaced service does, as it was measured on such a machine.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

import httpx
import psycopg

from benchmarks import build
from benchmarks.children import (
    CannotRun,
    Child,
    free_port,
    raise_file_limit,
    wait_for_port,
)
from benchmarks.contenders import environment, valkey
from benchmarks.database import manage, postgres
from benchmarks.desk import percentiles
from benchmarks.report import table
from benchmarks.targets import Verdict, judge
from orgs.services.ids import new_id

PATH: Final = "/v1/events/bench-###.example/delivered"
QUESTION: Final = "/v1/domain/bench-###.example"
CROWD: Final = 10_000
CALLS: Final = 12
CALL: Final = 5_000
USERS: Final = 1_000_000
# On the board, and of these those that actions come from.
ORGS: Final = 10_000
ACTIVE_ORGS: Final = 1_000
# Domains that are known already, and ten times as many.
SIZES: Final = (1_000_000, 10_000_000)
FILL: Final = """
INSERT INTO orgs_mail_domain (domain, delivered)
SELECT 'd' || number || '.example', 1 FROM generate_series(0, %s - 1) number ON CONFLICT DO NOTHING
"""
LEAST: Final = {
    "PUT, 256 connections": 20_000,
    f"{CROWD:,} PUTs at once": 7_519,  # in 1.33 s
    f"mail, {CALL:,} a call, 2 writers": 100_000,
    f"action, {CALL:,} a call, 2 writers": 60_000,
}
MOST_P95: Final = 200
# The replaced service on such a machine at rest, and what its README says of another. Its own
# client starts 10,000 requests at once and looks at no status.
REFERENCES: Final = (
    ("PUT, 50 connections, its store on PostgreSQL", "1,416/s, p50 28.7, p99 169 ms", "1.3 % lost"),
    ("PUT, 50 connections, its store in memory", "51,160/s, p50 0.86, p99 7.5 ms", "not durable"),
    ("verdicts, its store on PostgreSQL", "4,077/s, p50 6.2, p99 338 ms", "500 for a new domain"),
    ("verdicts, its store in memory", "54,066/s, p50 0.80, p99 7.9 ms", ""),
    (
        "its client, store on PostgreSQL",
        "4.25 s; README: 2.3 s",
        "105 counted, 98.5 to 99.3 % lost",
    ),
    ("its client, store in memory", "1.33 s; README: 485 ms", "10,000 counted, not durable"),
)
# A key is one organisation's; a token sends for all that its user owns.
MAKE_TOKEN: Final = f"""
from accounts.models import Scope, User
from accounts.services import tokens
from orgs.models import Membership, Organisation, OrgRole
from orgs.services import keys
user = User.objects.create_user("bench")
first = Organisation.objects.order_by("-pk").first().pk - {ACTIVE_ORGS} + 1
Membership.objects.bulk_create(
    Membership(org_id=first + n, user=user, role=OrgRole.OWNER) for n in range({ACTIVE_ORGS})
)
_, secret = tokens.create(user=user, name="bench", scopes=[Scope.EVENTS], expires_at=None)
org = Organisation.objects.get(pk=first)
_, key = keys.create(org=org, by=user, name="bench", scopes=["events"])
print(first, secret, key)
"""


@dataclass(frozen=True)
class IngestRow:
    """Events a second; p50, p95 and p99 in ms of what one answer takes."""

    work: str
    events_per_s: float
    p50: float
    p95: float
    p99: float
    counted: int
    acknowledged: int
    reference: str
    domains: int
    web_mb: float


@dataclass
class Web:
    """The process, how many domains are known before its events come, and the first of the
    ``ACTIVE_ORGS`` organisations that ``secret`` sends for; ``key`` is that one's own."""

    child: Child
    port: int
    database: str
    org: int
    secret: str
    key: str
    domains: int = 0

    def fill(self, domains: int) -> None:
        with psycopg.connect(self.database, autocommit=True) as connection:
            connection.execute(FILL, [domains])
            connection.execute("VACUUM ANALYZE orgs_mail_domain")
        self.domains = domains

    @property
    def mb(self) -> float:
        return self.child.memory() / 1e6

    def counted(self, question: str) -> int:
        with psycopg.connect(self.database) as connection:
            row = connection.execute(question).fetchone()
        return int(row[0] or 0) if row else 0


MAIL_COUNTED: Final = "SELECT sum(delivered + bounced) FROM orgs_mail_domain"
ACTIONS_COUNTED: Final = "SELECT sum(actions) FROM orgs_org_day"


@contextmanager
def web(database: str) -> Iterator[Web]:
    """The web process with its single-event door open. Raises ``CannotRun``."""
    with valkey() as url:
        port = free_port()
        env = {
            **environment(port=port, valkey=url, database=database),
            "QUAYSIDE_OPEN_ENDPOINTS": "events,metrics",
            "THROTTLE_ANON": "100000000/min",
            "THROTTLE_EVENTS": "100000000/min",
        }
        # Builds the board as well, so that whoever reads it reads one.
        manage(database, "seed_orgs", "--count", str(ORGS), valkey=url)
        words = manage(database, "shell", "--no-imports", "-c", MAKE_TOKEN, valkey=url).split()
        command = [sys.executable, "-m", "config.serve"]
        with Child(command, env=env, name="web") as child:
            wait_for_port(child, port)
            yield Web(child, port, database, int(words[-3]), words[-2], words[-1])


def singles(
    running: Web, *, connections: int, seconds: float, once: bool = False, keyed: bool = False
) -> IngestRow:
    """Single PUTs over 1,000 domains: as many as go, or each connection one, all at once.

    By the open door, or ``keyed`` with an organisation's key.
    """
    before = running.counted(MAIL_COUNTED)
    command = [str(build.load_client("httpload")), "--port", str(running.port), "--path", PATH]
    command += ["--method", "PUT", "--connections", str(connections), "--seconds", str(seconds)]
    command += ["--once", "1"] if once else []
    command += ["--header", f"Authorization: Bearer {running.key}"] if keyed else []
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    # What was under way when the clock stopped is committed a moment later.
    time.sleep(1)
    name = f"{connections:,} PUTs at once" if once else f"PUT, {connections} connections"
    name = f"keyed {name}" if keyed else name
    reference = "2,352/s, 105 counted" if once else "1,416/s, 1.3 % lost"
    return IngestRow(
        name,
        told["requests_per_s"],
        told["p50"],
        told["p95"],
        told["p99"],
        running.counted(MAIL_COUNTED) - before,
        told["ok"],
        reference,
        running.domains,
        running.mb,
    )


def questions(running: Web, *, seconds: float) -> IngestRow:
    """Verdicts on 1,000 domains, which no transaction holds up."""
    command = [str(build.load_client("httpload")), "--port", str(running.port), "--path", QUESTION]
    command += ["--connections", "50", "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    times = (told["p50"], told["p95"], told["p99"])
    seen, mb = (running.domains, running.mb)
    rate = told["requests_per_s"]
    return IngestRow("verdicts, 50 connections", rate, *times, 0, told["ok"], "4,077/s", seen, mb)


def while_written(running: Web) -> IngestRow:
    """The board's first page, asked for while two writers send actions."""
    url = f"http://127.0.0.1:{running.port}/api/metrics/top-orgs?search=be"
    times: list[float] = []
    with ThreadPoolExecutor(1) as thread, httpx.Client(trust_env=False, timeout=60) as client:
        written = thread.submit(bulk, running, kind="action", writers=2)
        began = time.monotonic()
        while not written.done():
            asked = time.monotonic()
            client.get(url).raise_for_status()
            times.append((time.monotonic() - asked) * 1000)
        passed = time.monotonic() - began
    cuts, row = percentiles(times), written.result()
    name = f"board read beside {row.events_per_s:,.0f} actions/s"
    seen = (cuts["p50"], cuts["p95"], cuts["p99"])
    rate = len(times) / passed
    return IngestRow(
        name, rate, *seen, row.counted, row.acknowledged, "-", running.domains, running.mb
    )


def bulk(running: Web, *, kind: str, writers: int) -> IngestRow:
    """Calls of 5,000 events, packed beforehand, by so many writers at once."""
    question = MAIL_COUNTED if kind == "mail" else ACTIONS_COUNTED
    make = _mail if kind == "mail" else _action
    chance = Random(7)
    bodies = [_packed(running, chance, make) for _ in range(CALLS * writers)]
    before = running.counted(question)
    began = time.monotonic()
    with ThreadPoolExecutor(writers) as threads:
        took = list(threads.map(lambda body: _post(running, body), bodies))
    passed = time.monotonic() - began
    sent = len(bodies) * CALL
    cuts = percentiles(took)
    name = f"{kind}, {CALL:,} a call, {writers} writers"
    reference = "100,000/s, P95 200 ms (asked)" if kind == "mail" else "60,000/s (asked)"
    times = (cuts["p50"], cuts["p95"], cuts["p99"])
    counted = running.counted(question) - before
    rate, seen, mb = sent / passed, running.domains, running.mb
    return IngestRow(name, rate, *times, counted, sent, reference, seen, mb)


def _packed(running: Web, chance: Random, make: Callable[[Web, Random], dict[str, Any]]) -> bytes:
    ts = datetime.now(tz=UTC).isoformat().replace("+00:00", "Z")
    events = [{**make(running, chance), "event_id": new_id(), "ts": ts} for _ in range(CALL)]
    return gzip.compress(json.dumps(events).encode(), 1)


def _mail(running: Web, chance: Random) -> dict[str, Any]:
    # Squared, so that some domains get most of it.
    number = int(chance.random() ** 2 * running.domains)
    return {"kind": "delivered", "domain": f"d{number}.example"}


def _action(running: Web, chance: Random) -> dict[str, Any]:
    org = running.org + chance.randrange(ACTIVE_ORGS)
    return {"kind": "action", "org": org, "user": 1 + chance.randrange(USERS), "name": "x"}


def _post(running: Web, body: bytes) -> float:
    """Milliseconds until the answer."""
    headers = {
        "Authorization": f"Bearer {running.secret}",
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
    }
    url = f"http://127.0.0.1:{running.port}/api/v1/events"
    began = time.monotonic()
    answer = httpx.post(url, content=body, headers=headers, timeout=60, trust_env=False)
    if answer.status_code != 202:
        raise CannotRun(f"Events were refused: {answer.status_code} {answer.text[:300]}")
    return (time.monotonic() - began) * 1000


def measure(database: str, *, seconds: float, sizes: tuple[int, ...] = SIZES) -> list[IngestRow]:
    """Everything with so many known domains; with more of them only what they could slow down."""
    rows = []
    with web(database) as running:
        running.fill(sizes[0])
        rows += [singles(running, connections=n, seconds=seconds) for n in (50, 256)]
        rows.append(singles(running, connections=256, seconds=seconds, keyed=True))
        rows.append(singles(running, connections=CROWD, seconds=60, once=True))
        rows.append(questions(running, seconds=seconds))
        rows += [bulk(running, kind=k, writers=n) for k in ("mail", "action") for n in (1, 2)]
        rows.append(while_written(running))
        for domains in sizes[1:]:
            running.fill(domains)
            rows.append(singles(running, connections=256, seconds=seconds))
            rows.append(questions(running, seconds=seconds))
            rows.append(bulk(running, kind="mail", writers=2))
    return rows


def verdicts(rows: list[IngestRow]) -> list[Verdict]:
    """What DESIGN section 7 asks of events."""
    found = []
    for row in rows:
        least = LEAST.get(row.work)
        if least is not None:
            whole = row.counted >= row.acknowledged
            seen = f"{row.events_per_s:,.0f}/s, p95 {row.p95:.0f} ms"
            slow = row.work.startswith(("mail", "action")) and row.p95 >= MOST_P95
            title = f"{row.work}: {least:,}/s, {row.domains:,} domains, none lost"
            found.append(judge(title, seen, whole and not slow and row.events_per_s >= least))
    return found


def ingest_table(rows: list[IngestRow]) -> None:
    heads = (
        "events",
        "events/s",
        "p50",
        "p95",
        "p99 ms",
        "counted/acknowledged",
        "reference",
        "domains",
        "MB",
    )
    lines = [
        [
            row.work,
            f"{row.events_per_s:,.0f}",
            *(f"{value:.1f}" for value in (row.p50, row.p95, row.p99)),
            f"{row.counted:,}/{row.acknowledged:,}",
            row.reference,
            f"{row.domains:,}",
            f"{row.web_mb:.0f}",
        ]
        for row in rows
    ]
    table("Events, durable before the answer", heads, lines)
    table("The replaced service", ("work", "measured", "of it"), [list(row) for row in REFERENCES])


def main() -> int:
    raise_file_limit()
    try:
        with postgres(core=None) as database:
            ingest_table(measure(database, seconds=5))
    except CannotRun as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
