"""The fixture ``simulator``: a simulated exchange in a process of its own, reset for every test.

Loaded by ``-p`` in pyproject.toml, so tests just name the fixture.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from demo.servers import free_port

ROOT = Path(__file__).resolve().parent.parent
DEADLINE = 15.0
SEED = 1
RATE = 60


class Simulator:
    """Where it listens and what may be asked of it. Calls block until it has answered."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.ws_url = f"ws://127.0.0.1:{port}/v2"
        self.rest_url = f"http://127.0.0.1:{port}"
        # No proxy from the environment: the simulator is on this machine. A connection is used
        # once, for the simulator may close an idle one at the moment when it is used again.
        self._http = httpx.Client(
            base_url=self.rest_url,
            timeout=5,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def close(self) -> None:
        self._http.close()

    def state(self) -> dict[str, Any]:
        """``mode``, ``rate``, ``seed``, ``clients``, ``subscriptions``, ``ticks``, ``prices``."""
        return self._ask("GET", "/control")

    def set(
        self, *, mode: str | None = None, rate: float | None = None, seed: int | None = None
    ) -> dict[str, Any]:
        """Change what is given; ``mode`` as in ``demo.simulators.venue.Mode``."""
        given = {"mode": mode, "rate": rate, "seed": seed}
        wanted = {name: value for name, value in given.items() if value is not None}
        return self._ask("POST", "/control", wanted)

    def tick(self, symbol: str, bid: Decimal | str, ask: Decimal | str) -> int:
        """Send one tick with exactly these digits, in any mode; return to how many sockets."""
        body = {"symbol": symbol, "bid": str(bid), "ask": str(ask)}
        return int(self._ask("POST", "/control/tick", body)["sent"])

    def send(self, frame: str) -> int:
        """Send ``frame`` as it stands to every socket; return to how many."""
        return int(self._ask("POST", "/control/frame", {"text": frame})["sent"])

    def coins(self, **wanted: Any) -> dict[str, Any]:
        """Change the simulated coin lists, as ``demo.simulators.coins`` says; their state."""
        return self._ask("POST", "/control/coins", wanted)

    def wait_until(self, reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the state once ``reached(state)``. Raises ``AssertionError`` after 15 s."""
        deadline = time.monotonic() + DEADLINE
        while not reached(state := self.state()):
            assert time.monotonic() < deadline, f"not reached: {state}"
            time.sleep(0.02)
        return state

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = self._http.request(method, path, json=body)
        answer.raise_for_status()
        content: dict[str, Any] = answer.json()
        return content


@pytest.fixture(scope="session")
def simulator_process() -> Iterator[Simulator]:
    """One simulator for the whole run; tests take ``simulator``, which resets it."""
    port = free_port()
    command = [sys.executable, "-m", "demo.simulators", "--port", str(port), "--seed", str(SEED)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        running = Simulator(port)
        try:
            _wait_for(running, process)
            yield running
        finally:
            running.close()
            process.terminate()


def _wait_for(simulator: Simulator, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            simulator.state()
            return
        except httpx.TransportError:
            assert process.poll() is None, "the simulator ended before it listened"
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@pytest.fixture
def unused_port() -> int:
    """A port of this machine on which nobody listens."""
    return free_port()


@pytest.fixture
def simulator(simulator_process: Simulator) -> Simulator:
    """The simulated exchange in normal mode at 60 ticks a second, its walk begun anew."""
    simulator_process.set(mode="normal", rate=RATE, seed=SEED)
    return simulator_process
