"""Two real web processes, and visitors who mean them harm."""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections import Counter

import httpx
import psutil
import pytest
from django.conf import settings
from django.db import connection
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from demo import servers

# What these share is made once, by one worker.
pytestmark = [
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("abuse"),
]
DEADLINE = 30.0
LIMIT = 10
MEBIBYTE = 1 << 20


class Web:
    """A web process on a port of its own."""

    def __init__(self):
        self.port = servers.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        database = os.environ["DATABASE_URL"].rsplit("/", 1)[0]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "config.serve"],
            cwd=settings.BASE_DIR,
            env={
                **os.environ,
                "DATABASE_URL": f"{database}/{connection.settings_dict['NAME']}",
                "PORT": str(self.port),
                "THROTTLE_ANON": f"{LIMIT}/hour",
                "LOG_LEVEL": "CRITICAL",
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def answers(self):
        try:
            return httpx.get(f"{self.url}/healthz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def wait(self):
        deadline = time.monotonic() + DEADLINE
        while not self.answers():
            assert time.monotonic() < deadline, "the web process did not start"
            assert self.process.poll() is None, "the web process ended"

    def memory(self):
        return psutil.Process(self.process.pid).memory_info().rss

    def socket(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


@pytest.fixture(scope="module")
def webs(django_db_setup):
    running = [Web(), Web()]
    try:
        for web in running:
            web.wait()
        yield running
    finally:
        for web in running:
            web.stop()


def pour(sock, pieces):
    """Send until the other end has enough; return how many bytes it took."""
    taken = 0
    with contextlib.suppress(ConnectionError, TimeoutError):
        for piece in pieces:
            sock.sendall(piece)
            taken += len(piece)
    return taken


def status(sock):
    with contextlib.suppress(ConnectionError, TimeoutError):
        line = sock.recv(64).split(b" ")
        return int(line[1]) if len(line) > 1 else None
    return None


def test_a_limit_is_one_limit_however_many_processes_answer(webs):
    found = Counter(
        httpx.get(f"{webs[turn % 2].url}/api/v1/chains").status_code for turn in range(2 * LIMIT)
    )
    assert found == {200: LIMIT, 429: LIMIT}


def test_hundreds_who_never_finish_their_headers_keep_nobody_waiting(webs):
    web = webs[0]
    with contextlib.ExitStack() as open_ones:
        slow = [open_ones.enter_context(web.socket()) for _ in range(300)]
        for sock in slow:
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        for sock in slow:
            sock.sendall(b"a")
        assert web.answers()


ENDLESS_LINE, ENDLESS_LINES = b"X-Flood: " + b"a" * 8_000, b"X-Flood: " + b"a" * 8_000 + b"\r\n"
CHUNKED = (
    b"POST /api/v1/auth/wallet/verify HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
)


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n", ENDLESS_LINES),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n", ENDLESS_LINE),
        (b"GET /", b"a" * 8_000),
        (CHUNKED + b"2\r\n{}\r\n0\r\n", ENDLESS_LINES),
    ],
    ids=["headers", "one header", "the address", "trailers"],
)
def test_what_never_ends_is_cut_off_before_it_fills_the_memory(webs, begin, piece):
    web = webs[0]
    before = web.memory()
    with web.socket() as sock:
        sock.sendall(begin)
        taken = pour(sock, (piece for _ in range(4_000)))
    assert taken < 24 * MEBIBYTE
    assert web.memory() - before < 8 * MEBIBYTE
    assert web.answers()


def test_a_body_without_an_end_is_refused_and_not_kept(webs):
    web = webs[0]
    before = web.memory()
    chunk = b"10000\r\n" + b"a" * 65_536 + b"\r\n"
    with web.socket() as sock:
        sock.sendall(CHUNKED)
        pour(sock, (chunk for _ in range(1_000)))
        told = status(sock)
    assert told in (413, None)
    assert web.memory() - before < 16 * MEBIBYTE
    assert web.answers()


@pytest.mark.parametrize(
    "noise",
    [b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"G" * 70_000, b"\xff" * 100],
    ids=["tls", "half a line", "one long word", "no text"],
)
def test_what_is_no_http_is_refused(webs, noise):
    web = webs[0]
    with web.socket() as sock:
        pour(sock, [noise, b"\r\n\r\n"])
        assert status(sock) in (400, None)
    assert web.answers()


def frames(rng):
    """Frames as nobody writes them: near what is understood, or nothing at all."""
    operations = ("subscribe", "unsubscribe", "resync", "", None, 7, ["subscribe"], "\x00")
    values: tuple[object, ...] = (
        "rates:live",
        "chain:1",
        "balances:0x",
        "",
        None,
        -1,
        2**70,
        [[]],
        {},
        "\ud7ff" * 9,
    )
    fields = ("topic", "keys", "epoch", "last", "throttle", "op", "")
    while True:
        choice = rng.randrange(4)
        if choice == 0:
            yield bytes(rng.randrange(256) for _ in range(rng.randrange(200)))
        elif choice == 1:
            yield "".join(chr(rng.randrange(1, 0xD000)) for _ in range(rng.randrange(100)))
        elif choice == 2:
            yield "[" * rng.randrange(1, 3_000)
        else:
            named = {rng.choice(fields): rng.choice(values) for _ in range(rng.randrange(5))}
            yield json.dumps({"op": rng.choice(operations), **named})


def test_no_frame_breaks_a_socket_without_a_word(webs):
    """Each socket ends with a code of ours, never with 1011, and others go on."""
    web, rng = webs[0], random.Random(1)
    codes: Counter[object] = Counter()
    source = frames(rng)
    for _ in range(150):
        with connect(f"ws://127.0.0.1:{web.port}/ws/live", open_timeout=10) as ws:
            try:
                for _ in range(5):
                    ws.send(next(source))
                    ws.recv(timeout=0.2)
            except ConnectionClosed as closed:
                codes[closed.rcvd.code if closed.rcvd else 1006] += 1
            except TimeoutError:
                codes["open"] += 1
    assert set(codes) <= {4400, 4401, 4403, 4429, "open"}
    assert codes[4400] > 50
    assert web.answers()
