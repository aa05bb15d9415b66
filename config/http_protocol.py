"""uvicorn's HTTP protocol, which also takes a whole answer that a fast lane has made once.

uvicorn looks at every header of every answer and writes head and body apart; one that thousands get
in the same second was looked at when it was made. A lane finds this under ``live.wires.WHOLE`` in
``scope["extensions"]``; where it is missing or refuses, ``send`` is right.
What is used here is uvicorn's own business, so ``tests/test_http_protocol.py`` asks for each name.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from config.http_limits import BoundedHeads
from live.wires import WHOLE


class WholeAnswers(BoundedHeads):
    """Offers each request a callable: status and the rest, from the first header after the date."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        scope: Any = cycle.scope
        scope["extensions"] = {WHOLE: partial(send_whole, cycle)}
        super()._start_asgi_task(cycle, app)

    def shutdown(self) -> None:
        """uvicorn waits for running responses when it shuts down; event streams run for ever."""
        from live import hub

        hub.current().drain()
        super().shutdown()


class Opening:
    """Status line and uvicorn's own headers, made anew when the second of ``date`` has passed."""

    def __init__(self) -> None:
        self.defaults: list[tuple[bytes, bytes]] = []
        self.made: dict[int, bytes] = {}

    def of(self, status: int, defaults: list[tuple[bytes, bytes]]) -> bytes:
        if self.defaults is not defaults:
            self.defaults, self.made = defaults, {}
        if status not in self.made:
            lines = [b"%s: %s\r\n" % (name.lower(), value) for name, value in defaults]
            self.made[status] = STATUS_LINE[status] + b"".join(lines)
        return self.made[status]


_opening = Opening()


def send_whole(cycle: RequestResponseCycle, status: int, rest: bytes) -> bool:
    """Write the answer and end it; ``False`` and nothing done where ``send`` must decide."""
    if (
        cycle.response_started
        or cycle.disconnected
        or cycle.flow.write_paused
        or not cycle.keep_alive
        or cycle.access_log
    ):
        return False
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.transport.write(_opening.of(status, cycle.default_headers) + rest)
    cycle.message_event.set()
    cycle.on_response()
    return True
