"""A node that answers over real sockets as a test likes, and one that stands before a real node."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx


class FakeNode:
    """``respond(node, request)`` answers each POST; ``node.questions`` holds the parsed bodies.

    A method of ``answers`` is answered by its value, or by what it returns for the parameters.
    """

    def __init__(self, respond=None, **answers):
        node = self
        self.answers: dict[str, Any] = {"eth_chainId": "0x1", **answers}
        self.respond = respond or FakeNode.respond_properly
        self.questions: list[Any] = []
        self.connections = 0
        # Whoever waits on this is let go when the test ends.
        self.released = threading.Event()
        # For nodes that pass questions on; making one reads every trusted certificate.
        self.http = httpx.Client(timeout=10, trust_env=False)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self):
                node.connections += 1
                super().setup()

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.question = json.loads(body)
                node.questions.append(self.question)
                with suppress(BrokenPipeError, ConnectionResetError):
                    node.respond(node, self)

            def log_message(self, *args):
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *problem):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
        self.http.close()

    @property
    def methods(self):
        """Every method asked for, batches taken apart."""
        return [item["method"] for asked in self.questions for item in listed(asked)]

    def answer(self, item):
        found = self.answers.get(item["method"], Refusal(-32601, "Method not found"))
        if callable(found):
            found = found(*item["params"])
        head = {"jsonrpc": "2.0", "id": item["id"]}
        return {
            **head,
            **({"error": found.body} if isinstance(found, Refusal) else {"result": found}),
        }

    def respond_properly(self, request):
        asked = request.question
        answer = (
            [self.answer(item) for item in asked] if isinstance(asked, list) else self.answer(asked)
        )
        send(request, json.dumps(answer).encode())


class Refusal:
    """An error of JSON-RPC."""

    def __init__(self, code, message=""):
        self.body = {"code": code, "message": message}


def listed(question):
    return question if isinstance(question, list) else [question]


def send(request, body, status=200, **headers):
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def saying(body, status=200, **headers):
    """A respond function that answers everything with ``body``."""
    return lambda node, request: send(request, body, status, **headers)


def refusing(code, message=""):
    """A respond function that answers every call with this error."""

    def respond(node, request):
        said = {"code": code, "message": message}
        answers = [{"id": item["id"], "error": said} for item in listed(request.question)]
        whole = answers if isinstance(request.question, list) else answers[0]
        send(request, json.dumps(whole).encode())

    return respond


def passing_to(url, change=lambda item, answer: answer):
    """A respond function that lets a real node answer; ``change(question, answer)`` may meddle."""

    def respond(node, request):
        found = node.http.post(url, json=request.question).json()
        if isinstance(found, list):
            asked = {item["id"]: item for item in request.question}
            found = [change(asked[answer["id"]], answer) for answer in found]
        else:
            found = change(request.question, found)
        send(request, json.dumps(found).encode())

    return respond
