"""Drives the C load client: one process that is many browsers."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import build
from benchmarks.children import CLIENT_CORE, Child

# Long enough for what was published last to reach a client that is behind by seconds.
CATCH_UP = 10.0


@dataclass(frozen=True)
class Crowd:
    """Who connects, and how."""

    clients: int
    per_client: int = 10
    slow: int = 0  # how many of them stop reading when told to
    in_flight: int = 100  # handshakes at a time; all of them for a herd
    seed: int = 11
    real: bool = False  # read the product's own stamps instead of the benchmark's


class LoadClient(Child):
    """The crowd, connected to ``port`` and subscribed to ``keys``."""

    def __init__(
        self, crowd: Crowd, *, port: int, protocol: str, path: str, keys: Sequence[str]
    ) -> None:
        arguments = {
            "port": port,
            "protocol": protocol,
            "path": path,
            "keys": ",".join(keys),
            "clients": crowd.clients,
            "per-client": crowd.per_client,
            "slow": crowd.slow,
            "in-flight": crowd.in_flight,
            "seed": crowd.seed,
            "real": int(crowd.real),
        }
        flags = [word for name, value in arguments.items() for word in (f"--{name}", str(value))]
        super().__init__(
            [str(build.load_client()), *flags], core=CLIENT_CORE, name="loadclient", talks=True
        )

    def answer(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.read_line())
        return answer

    def ask(self, command: str) -> dict[str, Any]:
        self.say(command)
        return self.answer()

    def wait_until_connected(self) -> dict[str, Any]:
        """What it reports once every handshake is over, or after a minute."""
        return self.answer()

    def count_between(self, start_ns: int, end_ns: int) -> None:
        self.ask(f"window {start_ns} {end_ns}")

    def missing(self, newest: dict[int, int]) -> int:
        """How many newest values clients still lack, at the latest after ``CATCH_UP`` seconds."""
        command = "expect " + ",".join(f"{key}:{seq}" for key, seq in newest.items())
        deadline = time.monotonic() + CATCH_UP
        while True:
            lacking = int(self.ask(command)["missing"])
            if lacking == 0 or time.monotonic() > deadline:
                return lacking
            time.sleep(0.1)
