"""A customer's server on a real socket: it keeps what it is sent and answers as it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network

import pytest

LOOPBACK = [ip_network("127.0.0.0/8")]


class Receiver:
    """``answers`` are taken in turn, the last for good: a status, or a function that answers."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.paths: list[str] = []
        self.answers: list[int | Callable[[BaseHTTPRequestHandler], None]] = [204]
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.paths.append(self.path)
                receiver.heard.append(({k.lower(): v for k, v in self.headers.items()}, body))
                answers = receiver.answers
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
                if callable(answer):
                    answer(self)
                    return
                self.send_response(answer)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                """Tests look at ``heard``."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def port(self) -> int:
        return self.server.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def messages(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.heard]

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver(settings):
    """A receiver on loopback, which the operator of this desk allows."""
    settings.WEBHOOK_PRIVATE_NETWORKS = LOOPBACK
    made = Receiver()
    yield made
    made.stop()
