"""Load, and the ledger of what the desk acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count, cycle
from typing import Any, Final

import httpx
import websockets
from websockets.exceptions import WebSocketException
from websockets.typing import Origin

from orgs.services.ids import new_id

# Seconds after which a listener takes a silent socket for broken, as browsers' pages do.
PINGS: Final[dict[str, Any]] = {"open_timeout": 5, "ping_interval": 2, "ping_timeout": 4}
PAIRS: Final = ("BTC_USD", "ETH_USD", "SOL_USD")
DOMAINS: Final = 50
SENDERS: Final = 4
LISTENERS: Final = 5
# Seconds between two of the same kind.
PAUSE: Final = 0.03
EDIT_EVERY: Final = 0.5
AGAIN_AFTER: Final = 0.1
# An answer that takes longer than this is a hang.
LONGEST: Final = 10.0
PAGES: Final = (
    *("/healthz", "/rates/", "/coins/", "/chain/", "/status", "/orgs/domains/"),
    *("/api/v1/rates", "/api/v1/coins?limit=10", "/api/v1/blocks", "/api/metrics/top-orgs"),
)
# What a page may say while a part of the desk is away.
ALLOWED: Final = frozenset({200, 302, 429, 503})


@dataclass
class Ledger:
    """What was acknowledged, and what must never have happened."""

    run: str
    mail: Counter[tuple[str, str]] = field(default_factory=Counter)
    actions: int = 0
    versions: dict[str, int] = field(default_factory=dict)
    heard: list[dict[str, int]] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    slowest: float = 0.0
    wrong: list[str] = field(default_factory=list)
    event_at: float = 0.0
    edit_at: float = 0.0
    page_at: float = 0.0

    def agreed(self) -> bool:
        """Whether every listener holds the version that was committed last, of every pair."""
        return all(
            heard.get(pair) == v for heard in self.heard for pair, v in self.versions.items()
        )


class Load:
    """Runs until ``stop``; ``base`` is the desk's address."""

    def __init__(self, base: str, ledger: Ledger, *, operator: str, key: str, org: int) -> None:
        self.base, self.ledger, self.org = base, ledger, org
        self.operator = {"Authorization": f"Bearer {operator}"}
        self.key = {"Authorization": f"Bearer {key}"}
        self.stopping = asyncio.Event()
        self.editing = asyncio.Event()
        self.editing.set()
        self.client = httpx.AsyncClient(base_url=base, trust_env=False, timeout=LONGEST + 5)
        self.numbers = count(1)
        self._tasks: list[asyncio.Task[None]] = []
        self._listeners: list[asyncio.Task[None]] = []

    def start(self) -> None:
        work = [*(self._send_single() for _ in range(SENDERS)), self._send_many(), self._edit()]
        self._tasks = [asyncio.create_task(each) for each in [*work, self._read()]]
        for _ in range(LISTENERS):
            heard: dict[str, int] = {}
            self.ledger.heard.append(heard)
            self._listeners.append(asyncio.create_task(self._listen(heard)))

    async def quiesce(self) -> None:
        """Nothing new is sent; what was sent is acknowledged; listeners go on."""
        self.stopping.set()
        await asyncio.gather(*self._tasks)

    async def stop(self) -> None:
        self.stopping.set()
        for task in [*self._tasks, *self._listeners]:
            task.cancel()
        await asyncio.gather(*self._tasks, *self._listeners, return_exceptions=True)
        await self.client.aclose()

    # --- What is written -----------------------------------------------------------------------

    async def _send_single(self) -> None:
        while not self.stopping.is_set():
            number = next(self.numbers)
            domain = f"d{number % DOMAINS}.{self.ledger.run}.example"
            kind = "bounced" if number % 7 == 0 else "delivered"
            path, headers = f"/v1/events/{domain}/{kind}", {"Idempotency-Key": new_id()}
            await self._acknowledged("PUT", path, headers=headers)
            self.ledger.mail[domain, kind] += 1
            self.ledger.event_at = time.monotonic()
            await asyncio.sleep(PAUSE)

    async def _send_many(self) -> None:
        """Mail and actions in one call; repeated as it is until it is acknowledged."""
        while not self.stopping.is_set():
            now = datetime.now(tz=UTC).isoformat()
            domain = f"bulk.{self.ledger.run}.example"
            mail = {"kind": "delivered", "ts": now, "domain": domain}
            action = {"kind": "action", "ts": now, "org": self.org, "name": "chaos"}
            events = [
                *({**mail, "event_id": new_id()} for _ in range(20)),
                *({**action, "event_id": new_id(), "user": user} for user in range(1, 21)),
            ]
            await self._acknowledged("POST", "/api/v1/events", headers=self.key, json=events)
            self.ledger.mail[domain, "delivered"] += 20
            self.ledger.actions += 20
            await asyncio.sleep(PAUSE)

    async def _edit(self) -> None:
        pairs = cycle(PAIRS)
        while not self.stopping.is_set():
            await self.editing.wait()
            await self.edit(next(pairs))
            await asyncio.sleep(EDIT_EVERY)

    async def edit(self, pair: str) -> None:
        buy = 20 + next(self.numbers) % 200
        body = {"unit": "bps", "buy": f"{buy / 10}", "sell": "-20", "reason": "under load"}
        path = f"/api/v1/rates/{pair}/spread"
        answer = await self._acknowledged("PUT", path, headers=self.operator, json=body)
        self.ledger.versions[pair] = answer.json()["version"]
        self.ledger.edit_at = time.monotonic()

    async def _acknowledged(self, method: str, path: str, **request: Any) -> httpx.Response:
        """The first good answer to the same request, however often it takes."""
        while True:
            with contextlib.suppress(httpx.TransportError):
                answer = await self.client.request(method, path, **request)
                if answer.is_success:
                    return answer
                if answer.status_code not in ALLOWED:
                    self._note(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
            await asyncio.sleep(AGAIN_AFTER)

    # --- What is read --------------------------------------------------------------------------

    async def _read(self) -> None:
        for page in cycle(PAGES):
            if self.stopping.is_set():
                return
            began = time.monotonic()
            with contextlib.suppress(
                httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError
            ):
                answer = await self._page(page)
                took = time.monotonic() - began
                self.ledger.slowest = max(self.ledger.slowest, took)
                if answer is None or took > LONGEST:
                    self._note(f"GET {page} took {took:.1f} s")
                elif answer.status_code == 200:
                    self.ledger.page_at = time.monotonic()
            await asyncio.sleep(PAUSE)

    async def _page(self, page: str) -> httpx.Response | None:
        try:
            answer = await self.client.get(page)
        except httpx.TimeoutException:
            return None
        self.ledger.statuses[answer.status_code] += 1
        if answer.status_code not in ALLOWED:
            self._note(f"GET {page}: {answer.status_code} {answer.text[:200]}")
        return answer

    async def _listen(self, heard: dict[str, int]) -> None:
        url = self.base.replace("http", "ws", 1) + "/ws/live"
        while True:
            try:
                async with websockets.connect(
                    url, origin=Origin(self.base), proxy=None, **PINGS
                ) as socket:
                    await socket.send(json.dumps({"op": "subscribe", "topic": "rates:live"}))
                    async for raw in socket:
                        frame = json.loads(raw)
                        if frame["event"] == "rates:live":
                            self._hear(heard, frame["meta"])
            except (OSError, WebSocketException, TimeoutError):
                await asyncio.sleep(AGAIN_AFTER)

    @staticmethod
    def _hear(heard: dict[str, int], meta: dict[str, Any]) -> None:
        for pair, facts in meta.items():
            if isinstance(facts, dict) and "spread_version" in facts:
                heard[pair] = facts["spread_version"]

    def _note(self, wrong: str) -> None:
        if len(self.ledger.wrong) < 100:
            self.ledger.wrong.append(wrong)
