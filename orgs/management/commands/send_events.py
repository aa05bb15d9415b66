from __future__ import annotations

import asyncio
import gzip
import json
import time
from argparse import ArgumentParser
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

import httpx
from django.core.management.base import BaseCommand, CommandError

from orgs.constants import MAX_MAIL_EVENTS
from orgs.management.mail_stream import Log, events
from orgs.services.ids import new_id

AT_ONCE: Final = 64
# A server that does not come back for so long is not waited for any longer.
PATIENCE_SECONDS: Final = 60.0
BAR: Final = 30


class Command(BaseCommand):
    help = "Sends deliveries and bounces as the reference challenge does, and checks the verdicts."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--count", type=int, default=10_000, help="events to send")
        parser.add_argument("--rate", type=float, default=0, help="events a second; 0: all it can")
        parser.add_argument("--target", default="http://127.0.0.1:8000", help="the server")
        parser.add_argument("--token", default="", help="an organisation's key, for closed doors")
        parser.add_argument("--bulk", type=int, default=0, help="events a call; 0: one by one")
        parser.add_argument("--seed", type=int, help="the same domains again, which then differ")

    def handle(self, **options: Any) -> None:
        if options["count"] < 1 or not 0 <= options["bulk"] <= MAX_MAIL_EVENTS:
            raise CommandError(f"Use a --count from 1, and a --bulk up to {MAX_MAIL_EVENTS}.")
        if options["bulk"] and not options["token"]:
            raise CommandError("Calls with many events need --token, an organisation's key.")
        sending = Sending(self.stdout.write, options)
        wrong = asyncio.run(sending.run())
        if wrong:
            raise CommandError(f"{len(wrong)} domains differ: {'; '.join(wrong[:5])}")


class Sending:
    """One run. Everything carries an id, so that a repeat counts once."""

    def __init__(self, write: Any, options: dict[str, Any]) -> None:
        self.write = write
        self.count: int = options["count"]
        self.rate: float = options["rate"]
        self.bulk: int = options["bulk"]
        self.target: str = options["target"]
        self.headers = {"Authorization": f"Bearer {options['token']}"} if options["token"] else {}
        self.stream = events(self.count, seed=options["seed"])
        self.log = Log()
        self.taken = self.sent = 0
        self.began = 0.0

    async def run(self) -> list[str]:
        """Domains that the server counts otherwise than the log does; none when all is well."""
        limits = httpx.Limits(max_connections=AT_ONCE)
        async with httpx.AsyncClient(
            base_url=self.target, headers=self.headers, limits=limits, trust_env=False, timeout=30
        ) as client:
            self.began = time.monotonic()
            await asyncio.gather(*(self._send(client) for _ in range(AT_ONCE)))
            took = time.monotonic() - self.began
            self.write(f"\n{self.sent:,} events in {took:.2f} s: {self.sent / took:,.0f}/s")
            return await self._check(client)

    async def _send(self, client: httpx.AsyncClient) -> None:
        while group := list(islice(self.stream, self.bulk or 1)):
            self.taken += len(group)
            await self._wait_for_turn()
            for domain, kind in group:
                self.log.note(domain, kind)
            await (self._call(client, group) if self.bulk else self._put(client, *group[0]))
            self.sent += len(group)
            self._show()

    async def _wait_for_turn(self) -> None:
        if self.rate > 0:
            due = self.began + self.taken / self.rate
            await asyncio.sleep(max(due - time.monotonic(), 0))

    async def _put(self, client: httpx.AsyncClient, domain: str, kind: str) -> None:
        path = f"/v1/events/{domain}/{kind}"
        await acknowledged(client, "PUT", path, headers={"Idempotency-Key": new_id()})

    async def _call(self, client: httpx.AsyncClient, group: list[tuple[str, str]]) -> None:
        ts = datetime.now(tz=UTC).isoformat()
        told = [
            {"kind": kind, "event_id": new_id(), "ts": ts, "domain": domain}
            for domain, kind in group
        ]
        body = gzip.compress(json.dumps(told).encode(), 1)
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        await acknowledged(client, "POST", "/api/v1/events", headers=headers, content=body)

    def _show(self) -> None:
        done = self.sent * 100 // self.count
        if done != (self.sent - (self.bulk or 1)) * 100 // self.count:
            bar = "#" * (done * BAR // 100)
            self.write(f"\r[{bar:<{BAR}}] {done:3d} %  {self.sent:,}", ending="")

    async def _check(self, client: httpx.AsyncClient) -> list[str]:
        counted, wrong = 0, []
        for domain in self.log.domains():
            answer = await acknowledged(client, "GET", f"/api/v1/domains/{domain}")
            told = answer.json()
            counted += told["delivered"] + told["bounced"]
            seen = (told["delivered"], told["bounced"], told["verdict"])
            expected = self.log.expected(domain)
            if seen != expected:
                wrong.append(f"{domain}: {seen}, sent {expected}")
        self.write(f"Counted by the server: {counted:,} of {self.count:,}")
        return wrong


async def acknowledged(
    client: httpx.AsyncClient, method: str, path: str, **request: Any
) -> httpx.Response:
    """The first good answer. Raises ``CommandError`` for a refusal, and out of patience."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        wait, problem = 0.2, ""
        try:
            answer = await client.request(method, path, **request)
            if answer.is_success:
                return answer
            if answer.status_code not in (429, 503):
                raise CommandError(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
            wait, problem = float(answer.headers.get("Retry-After", 1)), answer.text[:300]
        except httpx.TransportError as lost:
            problem = repr(lost)
        if time.monotonic() + wait > deadline:
            raise CommandError(f"{method} {path} is not answered: {problem}")
        await asyncio.sleep(wait)
