"""A real web process in a thread, on a free port, with a topic of its own; and clients for it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pytest_django.fixtures import Settings
from uvicorn import Server
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from config.serve import listen, server_config
from foundation import valkey
from live import hub
from live.messages import ALIVE, NORMAL, Message
from live.publishing import publish
from live.topics import Topic

DEADLINE = 15.0


def stale(message: Message) -> tuple[bytes, bytes]:
    return b"null", b'{"state":"stale"}'


def make_topic(**changes: Any) -> Topic:
    given: dict[str, Any] = {
        "name": "tide:live",
        "channel": "tide:live",
        "snapshot": "tide:latest",
        "state_event": "tide:state",
        "stale_form": stale,
    }
    return Topic(**given | changes)


def say(
    key: str, value: object, seq: int, *, epoch: int = 1, flag: bytes = NORMAL, meta: str = "{}"
) -> Message:
    return Message(flag, epoch, seq, key, json.dumps(value).encode(), meta.encode())


def alive(seq: int = 0, *, epoch: int = 1) -> Message:
    return Message(ALIVE, epoch, seq, "*", b"", b"")


def eventually(check: Callable[[], Any]) -> Any:
    """The first true result of ``check``. Raises ``AssertionError`` after the deadline."""
    deadline = time.monotonic() + DEADLINE
    while True:
        result = check()
        if result:
            return result
        assert time.monotonic() < deadline, f"never came true: {check}"
        time.sleep(0.01)


class Browser:
    """A websocket client; ``next`` skips heartbeats unless they are asked for."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    def ask(self, **request: object) -> None:
        self.socket.send(json.dumps(request))

    def subscribe(self, *keys: str, **options: object) -> Any:
        """Subscribe to the tide, and return the first frame."""
        chosen = {"keys": list(keys)} if keys else {}
        self.ask(op="subscribe", topic="tide:live", **chosen, **options)
        return self.next()

    def next(self) -> Any:
        while True:
            frame = json.loads(self.socket.recv(timeout=DEADLINE))
            if frame.get("event") != "heartbeat":
                return frame

    def heartbeat(self) -> Any:
        while True:
            frame = json.loads(self.socket.recv(timeout=DEADLINE))
            if frame.get("event") == "heartbeat":
                return frame

    def either(self) -> str:
        """The name of the next event, heartbeats included."""
        name: str = json.loads(self.socket.recv(timeout=DEADLINE))["event"]
        return name

    def close_code(self) -> int:
        """Read to the end, and return the code the server closed with."""
        try:
            while True:
                self.socket.recv(timeout=DEADLINE)
        except ConnectionClosed as ended:
            assert ended.rcvd is not None, "the socket broke without a close frame"
            return ended.rcvd.code

    def until(self, key: str, value: object) -> Any:
        """Read until ``key`` has ``value``; return that frame."""
        while True:
            frame = self.next()
            if frame["event"] == "tide:live" and frame["data"].get(key, self) == value:
                return frame


class Running:
    """A server in a thread. ``publish`` speaks for the publisher of its topic."""

    def __init__(self, topic: Topic) -> None:
        self.topic = topic
        self.hub = hub.Hub([topic])
        (self.listener,) = listen("127.0.0.1", 0)
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.server = Server(server_config())
        self.thread = threading.Thread(target=self.server.run, args=[[self.listener]], daemon=True)
        self.clients = ExitStack()

    @property
    def origin(self) -> str:
        """What pages of this very server send."""
        return f"http://{self.address}"

    def start(self) -> None:
        hub.install(self.hub)
        self.thread.start()
        eventually(lambda: self.hub.link.connected)

    def stop(self) -> None:
        self.clients.close()
        self.end()
        self.thread.join(DEADLINE)
        hub.install(None)
        assert not self.thread.is_alive()

    def end(self) -> None:
        self.server.should_exit = True

    def publish(self, *messages: Message) -> None:
        publish(valkey.client(), self.topic, *messages)

    def open(self, **options: Any) -> Browser:
        socket = connect(f"ws://{self.address}/ws/live", compression=None, **options)
        self.clients.callback(socket.close)
        return Browser(socket)


@pytest.fixture(params=[True, False], ids=["raw", "plain"])
def serve(
    request: pytest.FixtureRequest, settings: Settings, django_db_blocker: Any
) -> Iterator[Callable[..., Running]]:
    """Starts a server whose topic differs from the ordinary one as told; once for each writer."""
    settings.LIVE_RAW_WRITES = request.param
    # Channels looks after old connections of its thread, which a test before may have left there.
    with ExitStack() as stack, django_db_blocker.unblock():

        def start(**changes: Any) -> Running:
            running = Running(make_topic(**changes))
            stack.callback(running.stop)
            running.start()
            return running

        yield start


@pytest.fixture
def running(serve: Callable[..., Running]) -> Running:
    return serve()
