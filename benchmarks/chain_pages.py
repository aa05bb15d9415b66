"""What reading a long history costs: the API and the page of an address with a million changes.

``python -m benchmarks.chain_pages POINTS`` measures with the servers of its environment and prints
JSON rows. Any question to a node would fail it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from statistics import median, median_low, quantiles
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from benchmarks.contenders import valkey
from benchmarks.database import manage, python
from benchmarks.report import table
from benchmarks.targets import Verdict, judge

if TYPE_CHECKING:
    from balances.models import Address, Chain, Token

POINTS: Final = 1_000_000
FEW: Final = 1_000
CHAIN_ID: Final = 424_242
RUNS: Final = 40
# A process looks at other lists again each second: some answers have a query for that.
COUNTED: Final = 5
STEP: Final = timedelta(seconds=12)
LIMIT: Final = 25.0


@dataclass(frozen=True)
class ReadRow:
    """Milliseconds in Django's client, without a socket. ``few``: the queries at 1,000 points."""

    what: str
    points: int
    p50: float
    p95: float
    queries: int
    few: int


def measure(database: str, *, points: int = POINTS) -> list[ReadRow]:
    """On a Valkey of its own. Raises ``CannotRun``."""
    # Pages name their files by what these hold.
    manage(database, "collectstatic", "--no-input", "--clear", "--verbosity", "0")
    with valkey() as url:
        printed = python(database, "-m", "benchmarks.chain_pages", str(points), valkey=url)
    return [ReadRow(**row) for row in json.loads(printed.splitlines()[-1])]


def show(rows: list[ReadRow]) -> None:
    lines = [
        [row.what, f"{row.p50:.1f}", f"{row.p95:.1f}", str(row.queries), str(row.few)]
        for row in rows
    ]
    title = f"Reading an address with {rows[0].points:,} changes"
    table(title, ("", "p50 ms", "p95", "queries", "at 1,000"), lines)


def verdicts(rows: list[ReadRow]) -> list[Verdict]:
    slowest = max(rows, key=lambda row: row.p95)
    constant = all(row.queries == row.few for row in rows)
    queries = "the same queries" if constant else "more queries than"
    return [
        judge(
            f"balance page and history at {rows[0].points:,} points under {LIMIT:.0f} ms",
            f"p95 {slowest.p95:.1f} ms ({slowest.what}), {queries} as at 1,000 points",
            slowest.p95 < LIMIT and constant,
        )
    ]


def main(points: int) -> list[ReadRow]:
    os.environ.update(
        DJANGO_SETTINGS_MODULE="config.settings",
        LOG_LEVEL="ERROR",
        THROTTLE_ANON="100000000/min",
        THROTTLE_USER="100000000/min",
    )
    import django

    django.setup()
    with _no_node():
        few = {what: _measured(ask) for what, ask in _questions(FEW).items()}
        found = {what: _measured(ask) for what, ask in _questions(points).items()}
    return [
        ReadRow(what, points, median(times), _p95(times), queries, few[what][1])
        for what, (times, queries) in found.items()
    ]


@contextmanager
def _no_node() -> Iterator[None]:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a page asked a node")

    node = "foundation.evm.node.Node"
    with patch(f"{node}.call", refuse), patch(f"{node}.batch", refuse):
        yield


Ask = Callable[[], float]


def _questions(points: int) -> dict[str, Ask]:
    """By name; each asks once and gives milliseconds."""
    from django.test import Client

    from accounts.models import User

    address, last = _seed(points)
    user, _ = User.objects.get_or_create(username="bench-reader")
    client = Client(SERVER_NAME="localhost")
    client.force_login(user)
    then, api, page = last - points // 3, f"/api/v1/balances/{address}", f"/balances/{address}/"
    paths = {
        "API: balances": f"{api}?chain={CHAIN_ID}",
        "API: balances at a block": f"{api}?chain={CHAIN_ID}&block={then}",
        "API: history, newest": f"{api}/history?chain={CHAIN_ID}",
        "API: history, from the middle": f"{api}/history?chain={CHAIN_ID}&before={then}",
        "page": page,
        "page at a block": f"{page}?chain={CHAIN_ID}&block={then}",
        "steps of the chart": f"{page}steps?cell={CHAIN_ID}:native",
    }
    return {what: _asking(client, path) for what, path in paths.items()}


def _asking(client: Any, path: str) -> Ask:
    def ask() -> float:
        begun = time.perf_counter()
        answer = client.get(path)
        b"".join(answer)
        spent = (time.perf_counter() - begun) * 1000
        assert answer.status_code == 200, (path, answer.status_code, answer.content[:300])
        return spent

    # The first answer fills caches that every later one finds.
    ask()
    return ask


def _measured(ask: Ask) -> tuple[list[float], int]:
    """Milliseconds of each answer, and how many queries most of them take. Counting has its cost,
    so what is timed is not counted."""
    return [ask() for _ in range(RUNS)], median_low([_count(ask) for _ in range(COUNTED)])


def _count(ask: Ask) -> int:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        ask()
    return len(queries)


def _seed(points: int) -> tuple[str, int]:
    """An address whose coin changed in each of ``points`` blocks; the last of them."""
    from django.db import connection, transaction

    from balances.models import Address, Balance, Chain, ChainSpan, Coverage
    from balances.services.tokens import native_of
    from rates.coins.tests.market import put

    chain, _ = Chain.objects.get_or_create(
        id=CHAIN_ID, defaults={"name": "Long", "head_number": 0, "state": Chain.State.OK}
    )
    address = Address.objects.create(raw=points.to_bytes(20, "big"))
    coin = native_of(chain)
    put("ETH", price="3000")
    with transaction.atomic(), connection.cursor() as cursor:
        blocks = "COPY balances_block (chain_id, number, hash, parent_hash, ts, tx_count,"
        blocks += " transfer_count, gas_used, gas_limit, miner) FROM STDIN"
        known = chain.head_number or 0
        with cursor.copy(blocks) as copy:
            for number in range(known + 1, points + 1):
                copy.write_row(_block(number))
        values = "COPY balances_balancepoint (chain_id, address_id, token_id, block_number,"
        values += " block_hash, value, source, kind) FROM STDIN"
        with cursor.copy(values) as copy:
            for number in range(1, points + 1):
                copy.write_row(_point(chain, address, coin, number))
    now = datetime.now(UTC)
    Chain.objects.filter(pk=chain.pk).update(
        head_number=points, head_hash=_hash(points), head_ts=now, head_seen_at=now
    )
    ChainSpan.objects.filter(chain=chain).delete()
    ChainSpan.objects.create(chain=chain, from_block=1, to_block=points)
    Coverage.objects.create(address=address, token=coin, from_block=1)
    Balance.objects.create(
        address=address,
        token=coin,
        value=points,
        block_number=points,
        block_hash=_hash(points),
        at=now,
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return str(address), points


def _hash(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _block(number: int) -> tuple[Any, ...]:
    at = datetime(2020, 1, 1, tzinfo=UTC) + number * STEP
    facts = (CHAIN_ID, number, _hash(number), _hash(number - 1), at)
    return (*facts, 0, 0, 21_000, 30_000_000, bytes(20))


def _point(chain: Chain, address: Address, coin: Token, number: int) -> tuple[Any, ...]:
    key = (chain.pk, address.pk, coin.pk, number, _hash(number))
    return (*key, number, "multicall", "exact")


def _p95(values: list[float]) -> float:
    return float(quantiles(values, n=20, method="inclusive")[-1])


if __name__ == "__main__":
    print(json.dumps([asdict(row) for row in main(int(sys.argv[1]))]))
