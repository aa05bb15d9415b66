"""Kraken's ticker over websocket v2, kept alive for ever."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime, timedelta

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from rates.constants import SOURCE_SILENCE
from rates.feeds import kraken_frames as frames
from rates.feeds.dialing import Dialling
from rates.feeds.source import (
    ConnectionChanged,
    SourceEvent,
    SymbolAccepted,
    SymbolRefused,
    Tick,
    VenueStatus,
)

logger = structlog.get_logger(__name__)

# After a reconnect the exchange may answer from another server that is a little behind.
OLDEST_SNAPSHOT = timedelta(seconds=60)
# A time this far ahead of ours orders nothing: one such frame would block its pair.
FURTHEST_AHEAD = timedelta(seconds=60)
# Larger frames close the socket; frames up to here are read and judged.
LARGEST_MESSAGE = 1_048_576


class _Lost(Exception):
    """The connection is of no more use; the argument is the reason for people and logs."""

    def __init__(self, reason: str, *, unwelcome: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.unwelcome = reason, unwelcome


class KrakenWS:
    """A ``PriceSource``. ``silence`` is how long the socket may say nothing before it is dead."""

    name = "kraken"

    def __init__(
        self, url: str, *, silence: float = SOURCE_SILENCE, dialling: Dialling | None = None
    ) -> None:
        self.url, self.silence = url, silence
        self.dialling = dialling or Dialling()
        self._wanted: dict[str, None] = {}
        self._needed = asyncio.Event()
        self._socket: ClientConnection | None = None
        self._sent: set[str] = set()
        self._spoke = False
        self._newest: dict[str, datetime] = {}
        self._request_ids = itertools.count(1)
        self._counts: Counter[str] = Counter(
            frames=0, bad_frames=0, dials=0, reconnects=0, out_of_order=0
        )

    def counters(self) -> dict[str, int]:
        return dict(self._counts)

    async def events(self, symbols: Sequence[str]) -> AsyncIterator[SourceEvent]:
        self._want(symbols)
        while True:
            await self._needed.wait()
            await asyncio.sleep(self.dialling.wait())
            try:
                async for event in self._connection():
                    yield event
            except _Lost as loss:
                self.dialling.lost(unwelcome=loss.unwelcome)
                logger.warning("exchange connection lost", source=self.name, reason=loss.reason)
                yield ConnectionChanged(False, loss.reason)
            finally:
                await self._hang_up()

    async def resubscribe(self, symbols: Sequence[str]) -> None:
        self._want(symbols)
        if self._socket is not None:
            await self._send_differences(self._socket)

    async def renew(self, symbols: Sequence[str]) -> None:
        """Ask again: only a new subscription brings a snapshot."""
        again = [symbol for symbol in symbols if symbol in self._sent]
        if self._socket is None or not again:
            return
        await self._request(self._socket, "unsubscribe", again)
        await self._request(self._socket, "subscribe", again)

    # --- One connection -----------------------------------------------------------------------

    async def _connection(self) -> AsyncIterator[SourceEvent]:
        """Dial, subscribe, and yield until the connection is of no more use. Raises ``_Lost``."""
        self._socket = await self._dial()
        self._sent, self._spoke = set(), False
        connection_newest: dict[str, datetime] = {}
        await self._send_differences(self._socket)
        while True:
            raw = await self._receive(self._socket)
            self._counts["frames"] += 1
            if not self._spoke:
                # An open socket proves little; a frozen exchange accepts sockets too.
                self._spoke = True
                yield ConnectionChanged(True, "connected")
            frame = frames.read(raw, received=time.monotonic(), received_at=datetime.now(UTC))
            for event in self._understand(frame, connection_newest):
                yield event

    async def _dial(self) -> ClientConnection:
        self._counts["reconnects"] += self._counts["dials"] > 0
        self._counts["dials"] += 1
        self.dialling.dialled()
        try:
            socket = await connect(
                self.url,
                ping_interval=15,
                ping_timeout=10,
                open_timeout=5,
                close_timeout=1,
                max_queue=64,
                max_size=LARGEST_MESSAGE,
                compression=None,
            )
        except InvalidStatus as problem:
            raise _Lost(f"refused with status {problem.response.status_code}") from problem
        except TimeoutError as problem:
            raise _Lost("no answer to the dial") from problem
        except (OSError, WebSocketException) as problem:
            raise _Lost(f"unreachable: {type(problem).__name__}") from problem
        self.dialling.connected()
        return socket

    async def _receive(self, socket: ClientConnection) -> bytes:
        try:
            async with asyncio.timeout(self.silence):
                return await socket.recv(decode=False)
        except TimeoutError as problem:
            raise _Lost("silent") from problem
        except ConnectionClosed as problem:
            code = problem.rcvd.code if problem.rcvd else "without a word"
            raise _Lost(f"closed {code}") from problem

    async def _hang_up(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()

    # --- What frames mean ---------------------------------------------------------------------

    def _understand(
        self, frame: frames.Frame, newest: dict[str, datetime]
    ) -> Iterable[SourceEvent]:
        match frame:
            case frames.Ticks(ticks):
                return [tick for tick in ticks if self._in_order(tick, newest)]
            case frames.Status(system):
                return [VenueStatus(system)]
            case frames.Answer("subscribe", symbol, error):
                return self._subscribed(symbol, error)
            case frames.RateExceeded():
                raise _Lost("too many messages", unwelcome=True)
            case frames.Bad(reason):
                self._counts["bad_frames"] += 1
                logger.debug("bad frame dropped", source=self.name, reason=reason)
        return []

    def _subscribed(self, symbol: str, error: str) -> Iterable[SourceEvent]:
        if not symbol:
            # Nothing was subscribed. If nothing else is, no heartbeat comes and silence redials.
            logger.warning("exchange refused a request", source=self.name, error=error)
        elif symbol in self._wanted:
            return [SymbolRefused(symbol, error) if error else SymbolAccepted(symbol)]
        return []

    def _in_order(self, tick: Tick, newest: dict[str, datetime]) -> bool:
        """Whether ``tick`` may be passed on; ``newest`` holds what this connection has shown.

        Times are compared with each other only, never with our clock: a quiet pair's snapshot is
        rightly old. What an earlier connection showed bounds a snapshot by a minute.
        """
        if tick.symbol not in self._wanted:
            return False
        time_ = tick.source_time
        if time_ is None or time_ > tick.received_at + FURTHEST_AHEAD:
            return True
        last, earlier = newest.get(tick.symbol), self._newest.get(tick.symbol)
        late = last is not None and time_ < last and not tick.snapshot
        if late or (earlier is not None and time_ < earlier - OLDEST_SNAPSHOT):
            self._counts["out_of_order"] += 1
            return False
        newest[tick.symbol] = time_
        self._newest[tick.symbol] = max(time_, earlier or time_)
        return True

    # --- What we ask for ----------------------------------------------------------------------

    def _want(self, symbols: Iterable[str]) -> None:
        self._wanted = dict.fromkeys(symbols)
        self._newest = {symbol: at for symbol, at in self._newest.items() if symbol in self._wanted}
        if self._wanted:
            self._needed.set()
        else:
            self._needed.clear()

    async def _send_differences(self, socket: ClientConnection) -> None:
        """Ask for what is wanted and not yet asked for, and end the rest."""
        new = [symbol for symbol in self._wanted if symbol not in self._sent]
        gone = [symbol for symbol in self._sent if symbol not in self._wanted]
        # Before the first await, so that a second caller does not ask for the same again.
        self._sent = set(self._wanted)
        await self._request(socket, "subscribe", new)
        await self._request(socket, "unsubscribe", gone)

    async def _request(self, socket: ClientConnection, method: str, symbols: list[str]) -> None:
        """Name all ``symbols`` in one message: the exchange limits messages, not symbols."""
        if not symbols:
            return
        params: dict[str, object] = {
            "channel": "ticker",
            "symbol": symbols,
            "event_trigger": "bbo",
        }
        if method == "subscribe":
            params["snapshot"] = True
        message = {"method": method, "params": params, "req_id": next(self._request_ids)}
        try:
            await socket.send(json.dumps(message))
        except ConnectionClosed:
            # The reading loop learns of it too, redials, and asks for everything wanted then.
            logger.debug("request not sent", source=self.name, method=method)
