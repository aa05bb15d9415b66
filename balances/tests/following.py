"""What tests of the follower need: a node with tokens, people who pay each other, and processes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import connection
from eth_abi.abi import encode
from eth_hash.auto import keccak

from balances.constants import NATIVE
from balances.models import Balance, BalancePoint, Block, Coverage
from demo.pytest_servers import addresses_of
from foundation.evm import multicall

DEADLINE = 60.0
MULTICALL = "0xca11bde05977b3631167028862be2a173976ca11"
RUNTIME = Path(multicall.__file__).parent / "contracts" / "Multicall.runtime.hex"
GAS = 10**18


def eventually(holds: Callable[[], Any], what: str = "", seconds: float = DEADLINE) -> Any:
    """Poll until ``holds()`` is true and return it."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"never {what or holds}"
        time.sleep(0.02)
    return found


def call_data(name: str, types: list[str], *values: Any) -> str:
    selector = keccak(f"{name}({','.join(types)})".encode())[:4]
    return f"0x{(selector + encode(types, values)).hex()}"


def written(raw: bytes) -> str:
    return f"0x{raw.hex()}"


class Town:
    """People on a real node, with coin and two tokens each."""

    def __init__(self, anvil: Any, count: int, seed: int = 1) -> None:
        self.anvil = anvil
        self.random = random.Random(seed)
        self.people = [self.random.randbytes(20) for _ in range(count)]
        anvil.ask("anvil_setCode", MULTICALL, f"0x{RUNTIME.read_text().strip()}")
        anvil.ask("anvil_autoImpersonateAccount", True)
        arguments = [encode(["string", "string", "uint8"], [n, n, 18]) for n in ("ONE", "TWO")]
        self.tokens = [bytes.fromhex(anvil.deploy("DemoToken", a)[2:]) for a in arguments]
        for person in self.people:
            anvil.ask("anvil_setBalance", written(person), hex(10 * GAS))
        for token in self.tokens:
            self._mint(token)

    def _mint(self, token: bytes) -> None:
        self.anvil.ask("evm_setAutomine", False)
        for person in self.people:
            data = call_data("mint", ["address", "uint256"], written(person), 10**6)
            request = {"from": self.rich, "to": written(token), "data": data, "gas": "0x30000"}
            self.anvil.ask("eth_sendTransaction", request)
        self.anvil.ask("evm_mine")
        self.anvil.ask("evm_setAutomine", True)

    @property
    def rich(self) -> str:
        account: str = self.anvil.ask("eth_accounts")[0]
        return account

    def transfer(self) -> dict[str, str]:
        """A transaction between two of them, of coin or a token."""
        sender, recipient = self.random.choices(self.people, k=2)
        what = self.random.choice([NATIVE, *self.tokens])
        head = {"from": written(sender), "gas": "0x20000"}
        if what == NATIVE:
            value = hex(self.random.randint(0, 10**15))
            return {**head, "to": written(recipient), "value": value}
        amount = self.random.randint(0, 100)
        data = call_data("transfer", ["address", "uint256"], written(recipient), amount)
        return {**head, "to": written(what), "data": data}

    def pay(self, count: int = 1) -> None:
        """Each transfer in a block of its own, all of them there on return."""
        last = [self._send() for _ in range(count)][-1]
        # The node answers before it has made the block.
        eventually(lambda: self.anvil.ask("eth_getTransactionReceipt", last), "mined")

    def _send(self) -> str:
        name: str = self.anvil.ask("eth_sendTransaction", self.transfer())
        return name

    def pay_in_one_block(self, count: int) -> None:
        self.anvil.ask("evm_setAutomine", False)
        for _ in range(count):
            self._send()
        self.anvil.ask("evm_mine")
        self.anvil.ask("evm_setAutomine", True)

    def reorganise(self, depth: int) -> None:
        """Other transactions in the newest ``depth`` blocks."""
        moves = [[self.transfer(), self.random.randrange(depth)] for _ in range(depth)]
        self.anvil.ask("anvil_reorg", depth, moves)

    def truth(self, who: bytes, what: bytes, number: int) -> int:
        """The node's own word."""
        if what == NATIVE:
            return int(self.anvil.ask("eth_getBalance", written(who), hex(number)), 16)
        data = call_data("balanceOf", ["address"], written(who))
        question = {"to": written(what), "data": data}
        return int(self.anvil.ask("eth_call", question, hex(number)), 16)

    def head(self) -> tuple[int, str]:
        block = self.anvil.ask("eth_getBlockByNumber", "latest", False)
        return int(block["number"], 16), block["hash"]


def configured(anvil: Any, **facts: Any) -> list[dict[str, Any]]:
    """As in ``QUAYSIDE_CHAINS``: a chain of short steps, heard of by websocket."""
    return [
        {
            "id": anvil.chain_id,
            "name": "Test",
            "rpc": [anvil.url],
            "ws": anvil.url.replace("http", "ws"),
            "block_time_ms": 500,
            "reorg_depth": 32,
            "multicall": MULTICALL,
            **facts,
        }
    ]


@contextmanager
def process(chains: list[dict[str, Any]], *arguments: str) -> Any:
    """``manage.py follow_chain`` as it runs in production, what it logs in ``log``; killed in the
    end if it still runs."""
    environment = {
        **os.environ,
        **addresses_of(connection.settings_dict["NAME"]),
        "DATABASE_POOL_SIZE": "4",
        "QUAYSIDE_CHAINS": json.dumps(chains),
    }
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "follow_chain", *arguments]
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            yield Running(child, log)
        finally:
            child.kill()
            child.wait()


@dataclass
class Running:
    child: subprocess.Popen[bytes]
    _log: IO[bytes]

    def end(self, by: signal.Signals) -> int:
        """Send the signal and wait for the end; return the exit status."""
        self.child.send_signal(by)
        return self.child.wait(DEADLINE)

    def log(self) -> str:
        self._log.seek(0)
        return self._log.read().decode()


def wrong_balances(town: Town) -> list[tuple[Any, ...]]:
    """Stored balances that are not the node's."""
    number, _ = town.head()
    wrong = []
    for row in Balance.objects.select_related("address", "token"):
        who, what = bytes(row.address.raw), bytes(row.token.contract)
        if row.stale or row.value != town.truth(who, what, number):
            wrong.append((written(who), written(what), row.value, row.stale))
    return wrong


def wrong_history(town: Town, count: int) -> list[tuple[Any, ...]]:
    """Of ``count`` random covered cells and blocks, those with another value than the node's."""
    number, _ = town.head()
    covers = list(Coverage.objects.select_related("address", "token").order_by("pk"))
    wrong = []
    for cover in town.random.choices(covers, k=count):
        at = town.random.randint(
            cover.from_block, number if cover.to_block is None else cover.to_block
        )
        points = BalancePoint.objects.of(cover.address, cover.token)
        point = points.filter(block_number__lte=at).first()
        who, what = bytes(cover.address.raw), bytes(cover.token.contract)
        if point is None or point.value != town.truth(who, what, at):
            wrong.append((written(who), written(what), at, point and point.value))
    return wrong


def orphans(town: Town) -> list[Any]:
    """Stored blocks, and points, whose hash is not the node's for that number."""
    found = list(Block.objects.values_list("number", "hash"))
    found += BalancePoint.objects.values_list("block_number", "block_hash").distinct()
    numbers = {number for number, _ in found}
    real = {n: town.anvil.ask("eth_getBlockByNumber", hex(n), False) for n in numbers}
    return [n for n, name in found if real[n] is None or real[n]["hash"] != written(bytes(name))]
