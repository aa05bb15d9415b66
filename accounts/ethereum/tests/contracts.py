"""Contract wallets on a real chain, and a node that answers as it likes."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from eth_abi.abi import encode
from eth_hash.auto import keccak

from accounts.ethereum.tests.desk import KeyWallet
from foundation.evm.address import checksummed
from foundation.evm.contract_signatures import WRAPPED

SALT = bytes(32)


class ContractWallet:
    """A deployed wallet; its owner's key signs for it."""

    def __init__(self, address, owner=None):
        self.address = checksummed(address)
        self.owner = owner or KeyWallet()

    def sign(self, text):
        return self.owner.sign(text)


class CounterfactualWallet(ContractWallet):
    """A wallet that its factory would make at this address, with signatures as of EIP-6492."""

    def __init__(self, chain):
        self.chain, self.owner = chain, KeyWallet()
        self.factory = chain.deploy("WalletFactory")
        where = call("addressOf(address,bytes32)", self.owner.address, SALT)
        word = chain.ask("eth_call", {"to": self.factory, "data": f"0x{where.hex()}"}, "latest")
        super().__init__(f"0x{word[-40:]}", self.owner)
        self.making = call("make(address,bytes32)", self.owner.address, SALT)

    def sign(self, text):
        return wrapped(self.factory, self.making, self.owner.sign(text))

    def deploy(self):
        self.chain.send({"to": self.factory, "data": f"0x{self.making.hex()}"})

    @property
    def code(self):
        return self.chain.ask("eth_getCode", self.address, "latest")


def owned(chain, owner=None):
    owner = owner or KeyWallet()
    address = chain.deploy("OwnedWallet", encode(["address"], [owner.address]))
    return ContractWallet(address, owner)


def call(signature, owner, salt):
    return keccak(signature.encode())[:4] + encode(["address", "bytes32"], [owner, salt])


def wrapped(factory, factory_call, signature):
    inner = bytes.fromhex(signature.removeprefix("0x"))
    wrapper = encode(["address", "bytes", "bytes"], [factory, factory_call, inner])
    return f"0x{(wrapper + WRAPPED).hex()}"


class FakeNode:
    """Answers requests by ``respond(node, handler)`` and counts them; ``released`` at the end."""

    def __init__(self, respond):
        node = self
        self.requests = 0
        self.released = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                node.requests += 1
                self.rfile.read(int(self.headers["Content-Length"]))
                respond(node, self)

            do_GET = do_POST

            def log_message(self, *args):
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *problem):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


def send(handler, body, status=200, **headers):
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def result(value):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": value}).encode()
    return lambda node, handler: send(handler, body)
