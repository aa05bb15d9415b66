"""The feed's clockwork: five loops around one board.

``_listen`` brings the exchange's events, ``_lead`` keeps the lease, ``_obey`` follows the
operators, ``_watch`` notices what time alone changes, ``_publish`` writes. A tick goes through
``_listen`` and ``_publish`` only, and waits for nothing but the script before it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

import redis.asyncio
import structlog
from django.db import DatabaseError
from opentelemetry import propagate, trace
from redis.exceptions import RedisError

from foundation.cancellation import cancel_and_wait
from foundation.errors import Unavailable
from live import messages
from rates import constants as c
from rates.feeds.source import PriceSource, Tick
from rates.services.feed.board import Board
from rates.services.feed.candle_log import CandleLog
from rates.services.feed.composer import SIGN_OF_LIFE, Composer, now_ms
from rates.services.feed.lease import RENEW_EVERY, TRY_EVERY, Lease
from rates.services.feed.outbox import LeaseLost, Outbox
from rates.services.feed.table import Table

logger = structlog.get_logger(__name__)
tracer = trace.get_tracer(__name__)

BEAT_EVERY = 1.0
WATCH_EVERY = 0.25
DATABASE_EVERY = 30.0
# Every question to Valkey has a time-out of seconds; a loop that has not turned for this hangs.
LOOP_STUCK = 15.0
RETRY = 0.1

Confirm = Callable[[list[str]], Awaitable[Mapping[str, tuple[Decimal, Decimal]]]]


class Feed:
    """One feed process. ``run`` returns when ``stop`` was called, having handed over the lead.

    ``resolve`` reads the operators' table from the database; ``republish`` does so and writes it to
    Valkey; ``confirm`` asks the exchange's REST interface for (bid, ask) by symbol; ``say_alive``
    is called each second while the loops turn, whether this feed leads or stands by.
    """

    def __init__(
        self,
        *,
        client: redis.asyncio.Redis,
        source: PriceSource,
        resolve: Callable[[], Awaitable[Mapping[str, Any]]],
        republish: Callable[[], Awaitable[object]],
        confirm: Confirm,
        simulated: bool,
        say_alive: Callable[[], None] = lambda: None,
    ) -> None:
        self.client, self.source, self.say_alive = client, source, say_alive
        self.resolve, self.republish, self.confirm = resolve, republish, confirm
        self.board = Board()
        self.lease = Lease(client)
        self.outbox = Outbox(client, self.lease)
        self.candles = CandleLog()
        self.composer = Composer(
            board=self.board,
            lease=self.lease,
            candles=self.candles,
            source=source,
            simulated=simulated,
        )
        self._dirty: dict[str, bytes] = {}
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._source_state: tuple[str, str | None] = ("", None)
        self._checking: dict[str, asyncio.Task[None]] = {}
        self._led_at = time.monotonic()

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        self.board.load(Table.parse(await self.resolve()))
        async with asyncio.TaskGroup() as group:
            loops = [
                group.create_task(loop())
                for loop in (self._listen, self._lead, self._obey, self._watch, self._publish)
            ]
            await self._stopping.wait()
            await cancel_and_wait(loops)
        await self._hand_over()

    # --- The exchange ------------------------------------------------------------------------

    async def _listen(self) -> None:
        async for event in self.source.events(self.board.symbols):
            changed = self.board.apply(event)
            if isinstance(event, Tick) and self.lease.held:
                self._draw(event)
            self._mark(changed)
            self._note_source()

    def _draw(self, tick: Tick) -> None:
        """Count a believed tick into its candle; doubtful prices never make a high or a low."""
        code = self.board.code(tick.symbol)
        if code is None or self.board.markets[code].tick is not tick:
            return
        spread = self.board.table.pairs[code].spread(now_ms())
        self.candles.add(
            code, tick, epoch=self.lease.epoch, spread_version=spread.version if spread else 0
        )

    def _note_source(self) -> None:
        state = self.board.source_state
        if state != self._source_state:
            self._source_state, self.composer.since = state, now_ms()
            logger.info("source state changed", state=state[0], reason=state[1])
            self._mark({messages.TOPIC_STATE})

    # --- Leadership ---------------------------------------------------------------------------

    async def _lead(self) -> None:
        while True:
            self._led_at = time.monotonic()
            try:
                if await self.lease.hold():
                    await self._take_over()
            except RedisError as problem:
                logger.warning("lease not renewed", error=str(problem))
            await asyncio.sleep(RENEW_EVERY if self.lease.token else TRY_EVERY)

    async def _take_over(self) -> None:
        logger.info("leading", epoch=self.lease.epoch)
        self.composer.begin()
        try:
            await self.outbox.write(await self.candles.inherit(self.client))
        except (LeaseLost, RedisError) as problem:
            logger.warning("lead not taken over", error=repr(problem))
            self.lease.lose()
            return
        self._mark({*self.board.table.pairs, messages.TOPIC_STATE})

    async def _hand_over(self) -> None:
        try:
            await self.outbox.write(self.candles.close_all())
            await self.lease.release()
        except (LeaseLost, RedisError) as problem:
            logger.warning("left without handing over", error=repr(problem))

    # --- The operators ------------------------------------------------------------------------

    async def _obey(self) -> None:
        """Follow the control channel; compare versions each second in case a message was lost."""
        # First of all: Valkey may hold the table of a database that was restored since.
        checked_database = time.monotonic() - DATABASE_EVERY
        while True:
            try:
                async with self.client.pubsub() as control:
                    await control.subscribe(c.CHANNEL_CONTROL)
                    while True:
                        if time.monotonic() - checked_database > DATABASE_EVERY:
                            checked_database = time.monotonic()
                            await self._ask_database()
                        await control.get_message(ignore_subscribe_messages=True, timeout=1.0)
                        await self._compare_versions()
            except RedisError as problem:
                logger.warning("control channel lost", error=str(problem))
                await asyncio.sleep(RETRY)
            except DatabaseError as problem:
                # What is held stays in force; the operators cannot change it meanwhile either.
                logger.warning("spreads not read", error=str(problem))
                await asyncio.sleep(RETRY)

    async def _ask_database(self) -> None:
        """Believe the database above all, also when it was restored and its numbers went back.

        Tables are published after their commit, so one read here is never older than the one held,
        or than the one that stood in Valkey before, unless the database itself is.
        """
        known = await self.client.get(c.KEY_SPREADS_VERSION)
        held = max(self.board.table.version, -1 if known is None else int(known))
        resolved = await self.resolve()
        if int(resolved["version"]) < held:
            logger.warning("the database went back", version=resolved["version"], held=held)
            self.board.forget_version()
            # While the higher number stands there, lower ones are refused.
            await self.client.delete(c.KEY_SPREADS_VERSION)
            await self.republish()
        await self._load(resolved)

    async def _compare_versions(self) -> None:
        known = await self.client.get(c.KEY_SPREADS_VERSION)
        if known is None or int(known) < self.board.table.version:
            # Valkey came back empty or behind; the database knows better than both.
            await self.republish()
        elif int(known) > self.board.table.version:
            resolved = await self.client.get(c.KEY_SPREADS)
            if resolved is not None:
                await self._load(json.loads(resolved))

    async def _load(self, resolved: Mapping[str, Any]) -> None:
        table, current = Table.parse(resolved), self.board.table
        if table == current or table.version < current.version:
            return
        before, dropped = set(self.board.symbols), set(current.pairs) - set(table.pairs)
        made = propagate.extract(resolved.get("trace", {}))
        with tracer.start_as_current_span("apply spreads", context=made) as span:
            span.set_attribute("rates.version", table.version)
            self.board.load(table)
            logger.info("spread table applied", version=table.version)
            self._mark({*table.pairs, *dropped}, messages.PRIORITY)
        if set(self.board.symbols) != before:
            await self.source.resubscribe(self.board.symbols)

    # --- The clock ----------------------------------------------------------------------------

    async def _watch(self) -> None:
        next_beat = 0.0
        scheduled = self.board.table.next_change(now_ms())
        while True:
            now, wall = time.monotonic(), now_ms()
            self._mark(self.board.aged(now, wall) if self.lease.held else ())
            if scheduled is not None and wall >= scheduled:
                self._mark(self.board.table.pairs, messages.PRIORITY)
            scheduled = self.board.table.next_change(wall)
            if now >= next_beat:
                next_beat = now + BEAT_EVERY
                self._mark({SIGN_OF_LIFE})
                if now - self._led_at < LOOP_STUCK:
                    self.say_alive()
                self._check_quiet(now)
            wait = WATCH_EVERY
            if scheduled is not None:
                wait = min(wait, max(scheduled - now_ms(), 0) / 1000)
            await asyncio.sleep(wait)

    def _check_quiet(self, now: float) -> None:
        """Ask the exchange's other interface about pairs that were quiet for long."""
        if not self.lease.held or self._checking:
            return
        symbols = sorted(pair.symbol for pair in self.board.quiet(now))
        if symbols:
            task = asyncio.get_running_loop().create_task(self._confirm(symbols))
            self._checking["rest"] = task
            task.add_done_callback(lambda _: self._checking.clear())

    async def _confirm(self, symbols: list[str]) -> None:
        """Believe a quiet pair again only if the REST interface shows the same price."""
        try:
            prices = await self.confirm(symbols)
        except Unavailable as problem:
            logger.warning("quiet pairs not confirmed", symbols=symbols, error=str(problem))
            return
        moved = [symbol for symbol in symbols if not self._same_price(symbol, prices)]
        if moved:
            logger.warning("quiet pairs moved unseen", symbols=moved)
            await self.source.renew(moved)

    def _same_price(self, symbol: str, prices: Mapping[str, tuple[Decimal, Decimal]]) -> bool:
        code = self.board.code(symbol)
        if code is None or (tick := self.board.markets[code].tick) is None:
            return True
        same = prices.get(symbol) == (tick.bid, tick.ask)
        if same:
            self.board.markets[code].confirm(time.monotonic())
        return same

    # --- Writing ------------------------------------------------------------------------------

    def _mark(self, codes: Any, flag: bytes = messages.NORMAL) -> None:
        for code in codes:
            if flag == messages.PRIORITY or code not in self._dirty:
                self._dirty[code] = flag
        if self._dirty:
            self._wake.set()

    async def _publish(self) -> None:
        """Write the newest of every changed pair; while Valkey is away, only their set grows."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if not self.lease.held:
                self._dirty.clear()
                continue
            dirty, self._dirty = self._dirty, {}
            batch = self.composer.compose(dirty)
            began = time.perf_counter()
            try:
                await self.outbox.write(batch.commands)
                self.composer.written(batch, time.perf_counter() - began)
            except LeaseLost:
                logger.warning("lease lost")
            except RedisError as problem:
                logger.warning("quotes not written", pairs=len(dirty), error=str(problem))
                # An emptied Valkey needs every pair again, not only those that moved.
                self.composer.begin()
                self._mark({*self.board.table.pairs, *dirty, messages.TOPIC_STATE})
                await asyncio.sleep(RETRY)
