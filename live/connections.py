"""One client: what it wants, what it is owed, and a writer that never queues.

The writer drives the server's ``send`` by hand: it runs to its end unless the socket is full, and
then what it waits for is handed to a task. Until that task ends the client is ``busy`` and owes are
only noted as bits. So a slow client costs two integers a topic and one frame in flight.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from live.board import Event
from live.frames import AsgiMessage, Framer, Frames
from live.metrics import Counters
from live.wires import Wire

if TYPE_CHECKING:
    from live.fanout import Fan

Send = Callable[[AsgiMessage], Awaitable[None]]

# Who hears changes knows that the line is alive; what else a heartbeat says can wait so many turns.
MAX_SKIPPED = 4


class Subscription:
    """One client's interest in one topic. ``mask`` are the keys wanted, ``dirty`` the keys owed."""

    __slots__ = ("connection", "dirty", "fan", "mask", "resting", "throttle", "wanted")

    def __init__(
        self, connection: Connection, fan: Fan, wanted: frozenset[str] | None, throttle: float
    ) -> None:
        self.connection = connection
        self.fan = fan
        self.wanted = wanted
        self.mask = fan.board.mask_of(wanted)
        self.dirty = 0
        self.throttle = throttle
        self.resting = False

    def want(self, wanted: frozenset[str] | None) -> None:
        self.wanted = wanted
        self.mask = self.fan.board.mask_of(wanted)

    def rest(self) -> None:
        self.resting = True
        asyncio.get_running_loop().call_later(self.throttle, self._rested)

    def _rested(self) -> None:
        self.resting = False
        if self.dirty:
            self.connection.settle()


class Connection:
    """A client's writer and its subscriptions, by topic name. ``send`` is the server's own."""

    __slots__ = (
        "busy",
        "closed",
        "counters",
        "frame",
        "lively",
        "lost",
        "send",
        "skipped",
        "subscriptions",
        "wire",
    )

    def __init__(
        self, send: Send, frame: Framer, counters: Counters, wire: Wire | None = None
    ) -> None:
        self.send = send
        self.wire = wire
        self.frame = frame
        self.counters = counters
        self.subscriptions: dict[str, Subscription] = {}
        self.busy: asyncio.Task[None] | None = None
        self.closed = False
        # Whether it was written to since its last turn to be sent a heartbeat, and how many turns
        # it went without for that reason.
        self.lively = False
        self.skipped = MAX_SKIPPED
        # Set when the server is going down or the socket broke: the door stops waiting for input.
        self.lost = asyncio.Event()

    @property
    def takes_raw(self) -> bool:
        """Whether ``write_raw`` may be called before anything else happens."""
        return self.wire is not None and self.wire.takes_raw()

    def write_raw(self, frames: Frames) -> None:
        """Send ``frames`` past the server's framing."""
        assert self.wire is not None
        self.counters.frames += len(frames.messages)
        try:
            self.wire.write_raw(frames.raw)
        except (OSError, RuntimeError):
            self.close()

    def write(self, frames: Frames) -> None:
        """Send ``frames`` now; not to be called while ``busy``. A broken socket ends the client."""
        self.lively = True
        if self.takes_raw:
            self.write_raw(frames)
        else:
            self._step(frames.messages)

    def _step(self, messages: Sequence[AsgiMessage]) -> None:
        coroutine: Any = self.send(messages[0]) if len(messages) == 1 else self._send_each(messages)
        self.counters.frames += len(messages)
        try:
            waits_for = coroutine.send(None)
        except StopIteration:
            return
        except (OSError, RuntimeError):  # the socket is gone, or a close frame was sent already
            self.close()
            return
        self.counters.blocked += 1
        self.busy = asyncio.get_running_loop().create_task(self._finish(coroutine, waits_for))

    async def _send_each(self, messages: Sequence[AsgiMessage]) -> None:
        for message in messages:
            await self.send(message)

    async def _finish(self, coroutine: Coroutine[Any, Any, None], waits_for: Any) -> None:
        try:
            await _resume(coroutine, waits_for)
        except (OSError, RuntimeError):
            self.close()
        finally:
            self.busy = None
        self.settle()

    def settle(self, *, pending: bool = False) -> None:
        """Send what is owed, and with ``pending`` also what the next pass would send.

        Such a frame has no position: a running pass may still owe this client something older.
        """
        for subscription in tuple(self.subscriptions.values()):
            if self.busy is not None or self.closed:
                return
            fan = subscription.fan
            owed = subscription.dirty
            if pending:
                owed |= subscription.mask & fan.pending
            events = fan.board.events(owed) if owed else []
            if events:
                subscription.dirty = 0
                self.write(self.frame(events, None))

    def show(self, subscription: Subscription, mask: int) -> None:
        """Send the snapshot of ``mask``, or owe it if the client is busy."""
        if self.busy is not None:
            subscription.dirty |= mask & subscription.fan.board.everything
            return
        board = subscription.fan.board
        position = subscription.fan.position() if len(self.subscriptions) == 1 else None
        self.write(self.frame(board.snapshot(mask), position))

    async def say(self, event: Event) -> None:
        """Send ``event`` after whatever is on its way."""
        while self.busy is not None:
            await asyncio.wait({self.busy})
        if not self.closed:
            self.write(self.frame([event], None))

    def needs_heartbeat(self) -> bool:
        """Whether this turn's heartbeat is for this client; the first one always is."""
        lively, self.lively = self.lively, False
        if lively and self.skipped < MAX_SKIPPED:
            self.skipped += 1
            return False
        self.skipped = 0
        return not self.closed

    def close(self) -> None:
        """Forget the client: nothing more is written to it. Its socket is the door's business."""
        self.closed = True
        for subscription in self.subscriptions.values():
            subscription.fan.leave(subscription)
        self.subscriptions.clear()
        self.lost.set()


class Burst:
    """The frames of one chunk of a pass. Those for wires go out together, which is much cheaper.

    Nothing may be awaited between the first ``add`` and ``flush``: a wire's answer would be old.
    """

    def __init__(self, counters: Counters) -> None:
        self.counters = counters
        self._ready: list[tuple[Connection, Wire, bytes]] = []
        self._frames = 0

    def add(self, connection: Connection, frames: Frames) -> None:
        wire = connection.wire
        if wire is not None and wire.takes_raw():
            self._ready.append((connection, wire, frames.raw))
            self._frames += len(frames.messages)
        else:
            connection.write(frames)

    def flush(self) -> None:
        """Write them all. A broken socket ends its client, and no other."""
        for connection, wire, raw in self._ready:
            connection.lively = True
            try:
                wire.write_raw(raw)
            except (OSError, RuntimeError):
                connection.close()
        self.counters.frames += self._frames
        self._ready.clear()
        self._frames = 0


@types.coroutine
def _resume(coroutine: Coroutine[Any, Any, None], waits_for: Any) -> Any:
    """Await a coroutine that was started by hand and waits for ``waits_for``."""
    try:
        yield waits_for
    except BaseException:
        coroutine.close()
        raise
    yield from coroutine
