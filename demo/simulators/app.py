"""One ASGI application for the exchange's websocket, its REST interface and the control API.

``GET /control`` tells the state. ``POST /control`` takes any of ``mode``, ``rate`` and ``seed``;
``POST /control/tick`` sends one exact tick (``symbol``, ``bid``, ``ask``); ``POST /control/frame``
sends ``text`` as it stands to every socket. ``/control/coins`` belongs to
``demo.simulators.coins``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, MutableMapping
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qs

from demo.simulators import coins, frames
from demo.simulators.pairs import PAIRS
from demo.simulators.venue import Mode, Session, Venue

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

GOING_AWAY = 1001
LARGEST_BODY = 4_000_000
LARGEST_RATE = 2000


class BadRequest(ValueError):
    """Told to the caller of the control API with status 400."""


class Application:
    def __init__(self, *, rate: float, seed: int) -> None:
        self.venue = Venue(rate=rate, seed=seed)
        self.coins = coins.CoinMarket(seed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await self._talk(scope, receive, send)
        else:
            await self._answer(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        clock = asyncio.create_task(self.venue.run())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        clock.cancel()
        await send({"type": "lifespan.shutdown.complete"})

    # --- Websocket ----------------------------------------------------------------------------

    async def _talk(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if scope["path"] != "/v2" or self.venue.mode is Mode.CLOSE:
            await send({"type": "websocket.close"})
            return
        await send({"type": "websocket.accept"})
        session = self.venue.greet()
        writer = asyncio.create_task(self._write(session, send))
        try:
            while (message := await receive())["type"] == "websocket.receive":
                self.venue.hear(session, message.get("text") or "")
        finally:
            self.venue.sessions.discard(session)
            writer.cancel()

    async def _write(self, session: Session, send: Send) -> None:
        # The peer may vanish between any two frames; the reader notices and ends this task.
        with contextlib.suppress(OSError):
            while True:
                frame = await session.outgoing.get()
                await self.venue.flowing.wait()
                if frame is None:
                    reason = "CloudFlare WebSocket proxy restarting"
                    await send({"type": "websocket.close", "code": GOING_AWAY, "reason": reason})
                    return
                kind = "text" if isinstance(frame, str) else "bytes"
                await send({"type": "websocket.send", kind: frame})

    # --- HTTP ---------------------------------------------------------------------------------

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = parse_qs(scope["query_string"].decode("latin-1"))
        if scope["path"].split("/")[1] in coins.PREFIXES:
            found = await self.coins.answer(scope["path"], query, dict(scope["headers"]))
            kind = (b"content-type", found.kind.encode())
            start = {"status": found.status, "headers": [kind, *found.headers]}
            text = found.body if isinstance(found.body, str) else json.dumps(found.body)
            await send({"type": "http.response.start", **start})
            await send({"type": "http.response.body", "body": text.encode()})
            return
        try:
            status, body = self._route(
                scope["method"], scope["path"], query, await _read_body(receive)
            )
        except BadRequest as problem:
            status, body = 400, {"error": {"code": "invalid", "message": str(problem)}}
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})

    def _route(
        self, method: str, path: str, query: dict[str, list[str]], body: bytes
    ) -> tuple[int, Any]:
        match method, path:
            case "GET", "/0/public/AssetPairs" | "/0/public/Ticker":
                return 200, self._rest(path.rsplit("/", 1)[1], query.get("pair", [""])[0])
            case "GET", "/control":
                return 200, self.venue.state()
            case "POST", "/control":
                return 200, self._control(_fields(body))
            case "GET", "/control/coins":
                return 200, self.coins.state()
            case "POST", "/control/coins":
                return 200, self._coins(_fields(body))
            case "POST", "/control/tick":
                return 200, {"sent": self._tick(_fields(body))}
            case "POST", "/control/frame":
                return 200, {"sent": self.venue.broadcast(str(_fields(body).get("text", "")))}
        return 404, {"error": {"code": "not_found", "message": f"No {method} {path} here."}}

    def _rest(self, endpoint: str, asked: str) -> dict[str, Any]:
        if self.venue.mode is Mode.MAINTENANCE:
            return frames.rest_error("EService:Unavailable")
        names = {
            name: pair for pair in PAIRS for name in (pair.altname, pair.rest_key, pair.wsname)
        }
        chosen = [names.get(name) for name in asked.split(",")] if asked else list(PAIRS)
        result = {}
        for pair in chosen:
            if pair is None:
                return frames.rest_error("EQuery:Unknown asset pair")
            book = self.venue.market.books[pair.symbol]
            is_pairs = endpoint == "AssetPairs"
            result[pair.rest_key] = frames.rest_pair(pair) if is_pairs else frames.rest_ticker(book)
        return frames.rest_result(result)

    def _control(self, fields: dict[str, Any]) -> dict[str, Any]:
        mode, rate, seed = fields.get("mode"), fields.get("rate"), fields.get("seed")
        if mode is not None and mode not in list(Mode):
            raise BadRequest(f"mode is one of {', '.join(Mode)}.")
        if rate is not None and not (_is_number(rate) and 0 <= rate <= LARGEST_RATE):
            raise BadRequest(f"rate is ticks per second, 0 to {LARGEST_RATE}.")
        if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool)):
            raise BadRequest("seed is a whole number.")
        if seed is not None:
            self.venue.restart(seed)
        if rate is not None:
            self.venue.rate = float(rate)
        if mode is not None:
            self.venue.enter(Mode(mode))
        return self.venue.state()

    def _coins(self, fields: dict[str, Any]) -> dict[str, Any]:
        try:
            return self.coins.control(fields)
        except (ValueError, TypeError, AttributeError) as problem:
            raise BadRequest(str(problem)) from problem

    def _tick(self, fields: dict[str, Any]) -> int:
        symbol = fields.get("symbol")
        if not isinstance(symbol, str) or symbol not in self.venue.market.books:
            raise BadRequest(f"symbol is one of {', '.join(self.venue.market.books)}.")
        bid, ask = (_price(fields, name) for name in ("bid", "ask"))
        return self.venue.emit(self.venue.market.set(symbol, bid, ask))


async def _read_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > LARGEST_BODY:
            raise BadRequest("The body is too large.")
        if not message.get("more_body"):
            return bytes(body)


def _fields(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError) as problem:
        raise BadRequest("The body is not JSON.") from problem
    if not isinstance(fields, dict):
        raise BadRequest("The body is not a JSON object.")
    return fields


def _is_number(value: object) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _price(fields: dict[str, Any], name: str) -> Decimal:
    """A price with exactly the digits it was given; a string keeps them through any client."""
    try:
        price = Decimal(str(fields.get(name)))
    except InvalidOperation as problem:
        raise BadRequest(f"{name} is a number or a string with one.") from problem
    if not price.is_finite() or abs(price.adjusted()) > 30:
        raise BadRequest(f"{name} is a finite number of ordinary size.")
    return price
