"""Whether the parts that this process needs are there, each asked for at most a second.

A check runs in a thread of its own. One that hangs is reported as such and not started again until
it has come back, so that probes never pile up behind a dead server.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlow
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Min
from django.utils import timezone
from redis.exceptions import RedisError

from balances.models import Chain
from balances.services.upkeep import head_age, is_still
from config import task_metrics
from foundation import tallies, valkey
from foundation.models import OutgoingMail
from orgs.services import partitions
from rates.coins.services import health as coin_health
from rates.constants import KEY_FEED, LIVE
from rates.services import board

logger = structlog.get_logger(__name__)

PATIENCE: Final = 1.0
# The task that runs most often, and the seconds after which its silence says that none runs.
PULSE: Final = "rates.store_closed_candles"
PULSE_SECONDS: Final = 60.0
MAIL_SECONDS: Final = 900.0


@dataclass(frozen=True, slots=True)
class Health:
    """One part. ``detail`` is a sentence without secrets; ``age_seconds`` is of its newest news."""

    name: str
    ok: bool
    detail: str
    age_seconds: float | None = None
    since: datetime | None = None
    # Whether the product cannot do its work without it. What is not needed is told all the same.
    needed: bool = True

    @property
    def state(self) -> str:
        return "live" if self.ok else "stale"


def database() -> Health:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as problem:
        logger.warning("database not ready", error=str(problem))
        return Health("database", False, "cannot be reached")
    finally:
        connection.close()
    return Health("database", True, "answers")


def migrations() -> Health:
    if not _migrated.done:
        try:
            executor = MigrationExecutor(connection)
            missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        except DatabaseError as problem:
            logger.warning("migrations not read", error=str(problem))
            return Health("migrations", False, "the database cannot be reached")
        finally:
            connection.close()
        if missing:
            return Health("migrations", False, f"{len(missing)} not applied")
        _migrated.done = True
    return Health("migrations", True, "applied")


def cache() -> Health:
    try:
        valkey.client().ping()
    except RedisError as problem:
        logger.warning("valkey not ready", error=str(problem))
        return Health("valkey", False, "cannot be reached")
    return Health("valkey", True, "answers")


def feed() -> Health:
    """Live only while the feed says so and the exchange behind it is live."""
    found = board.read([])
    age = None if found.age_ms is None else found.age_ms / 1000
    if found.state == LIVE:
        return Health("feed", True, "live", age, _since())
    return Health(
        "feed", False, f"{found.state}: {found.reason or 'no reason given'}", age, _since()
    )


def chains() -> Health:
    """Followed, and neither halted nor without a word for longer than their own pace."""
    now = timezone.now()
    try:
        followed = list(Chain.objects.followed())
    except DatabaseError as problem:
        logger.warning("chains not read", error=str(problem))
        return Health("chains", False, "the database cannot be reached")
    finally:
        connection.close()
    still = [f"{chain.name}: {_trouble(chain)}" for chain in followed if is_still(chain, now)]
    ages = [age for chain in followed if (age := head_age(chain, now)) is not None]
    told = "; ".join(still) or (f"{len(followed)} followed" if followed else "none configured")
    return Health("chains", not still, told, max(ages, default=None))


def coins() -> Health:
    """The list of top coins is served at any age, so an old one makes nothing unready."""
    try:
        found = coin_health.condition(timezone.now())
    except DatabaseError as problem:
        logger.warning("coins not read", error=str(problem))
        return Health("coins", False, "the database cannot be reached", needed=False)
    finally:
        connection.close()
    return Health("coins", found.fresh, found.detail, found.age_seconds, found.as_of, needed=False)


def tasks() -> Health:
    """Workers and beat, by the task of every ten seconds. What they would do waits for them."""
    succeeded = tallies.read().get((task_metrics.SUCCEEDED_AT, PULSE))
    if succeeded is None:
        return Health("tasks", False, "nothing was done yet", needed=False)
    age = max(time.time() - succeeded, 0.0)
    done = "done in time" if age < PULSE_SECONDS else "nothing is done; it waits"
    return Health("tasks", age < PULSE_SECONDS, done, age, needed=False)


def mail() -> Health:
    """Age: how long the oldest mail waits for a server to take it."""
    try:
        waiting = OutgoingMail.objects.count()
        first = OutgoingMail.objects.aggregate(first=Min("added_at"))["first"]
    except DatabaseError as problem:
        logger.warning("mail not read", error=str(problem))
        return Health("mail", False, "the database cannot be reached", needed=False)
    finally:
        connection.close()
    age = None if first is None else max((timezone.now() - first).total_seconds(), 0.0)
    told = f"{waiting} waiting" if waiting else "none waiting"
    return Health("mail", age is None or age < MAIL_SECONDS, told, age, needed=False)


def events() -> Health:
    """Whether there are days for the events of today and tomorrow, which a worker makes ahead."""
    try:
        missing = partitions.days_missing(timezone.now())
    except DatabaseError as problem:
        logger.warning("event partitions not read", error=str(problem))
        return Health("events", False, "the database cannot be reached", needed=False)
    finally:
        connection.close()
    if missing:
        return Health("events", False, f"not made ahead: {', '.join(missing)}", needed=False)
    return Health("events", True, "days are made ahead", needed=False)


def _trouble(chain: Chain) -> str:
    if chain.head_number is None:
        return "no block yet"
    return chain.state_reason or f"{chain.state} at block {chain.head_number}"


def _since() -> datetime | None:
    try:
        since = valkey.client().hget(KEY_FEED, "since")
    except RedisError:
        return None
    return datetime.fromtimestamp(int(since) / 1000, UTC) if since else None


class _Migrated:
    """Migrations are code, so what was applied once stays applied while this process runs."""

    done = False


_migrated = _Migrated()

Check = Callable[[], Health]
CHECKS: Final[dict[str, Check]] = {
    "database": database,
    "valkey": cache,
    "migrations": migrations,
    "feed": feed,
    "chains": chains,
    "coins": coins,
    "tasks": tasks,
    "mail": mail,
    "events": events,
}
# Without these the product is still ready.
SPARED: Final = frozenset({"coins", "tasks", "mail", "events"})
_threads = ThreadPoolExecutor(max_workers=len(CHECKS), thread_name_prefix="health")
_running: dict[str, Future[Health]] = {}


def report() -> list[Health]:
    """Every part's health, asked at once."""
    asked = {name: _start(name, check) for name, check in CHECKS.items()}
    return [_result(name, future) for name, future in asked.items()]


def answers(name: str) -> bool:
    """Whether that part is well, told within ``PATIENCE`` seconds however it hangs."""
    return _result(name, _start(name, CHECKS[name])).ok


def _start(name: str, check: Check) -> Future[Health]:
    before = _running.get(name)
    if before is None or before.done():
        _running[name] = before = _threads.submit(check)
    return before


def _result(name: str, future: Future[Health]) -> Health:
    try:
        return future.result(timeout=PATIENCE)
    except TooSlow:
        needed = name not in SPARED
        return Health(name, False, f"no answer within {PATIENCE:g} s", needed=needed)
