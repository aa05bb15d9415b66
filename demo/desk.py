"""The whole desk as `make up` runs it, without make, in a folder and on ports of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from demo import servers
from demo.home import BASE_DIR, Home
from demo.leftovers import RUN_MARKER

DEADLINE = 120.0


class Desk:
    """Start it, look at it, end it. What does not come true in time raises ``AssertionError``."""

    def __init__(self, root: Path, **settings: str) -> None:
        self.home = Home(root)
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.environment = {
            **kept,
            "QUAYSIDE_DEMO": "1",
            "QUAYSIDE_HOME": str(root),
            "PORT": str(servers.free_port()),
            **settings,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, cwd=BASE_DIR, env=self.environment, capture_output=True, text=True, check=False
        )

    def start(self) -> None:
        prepared = self.run("-m", "demo.prepare")
        assert prepared.returncode == 0, prepared.stderr
        with (self.home.root / "up.log").open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up"],
                cwd=BASE_DIR,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        self.until(lambda: "Ctrl-C stops everything" in self.log())

    def log(self) -> str:
        return (self.home.root / "up.log").read_text()

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self.home.state_file.read_text())
        return state

    def pid(self, name: str) -> int | None:
        pids: dict[str, int] = self.state()["pids"]
        return pids.get(name)

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < deadline, self.log()[-4000:]
            assert not self.ended(), self.log()[-4000:]
            time.sleep(0.05)

    def ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def everybody(self) -> list[psutil.Process]:
        """Who runs for this desk, by the marker of the environment or the folder."""
        found = []
        for process in psutil.process_iter():
            try:
                ours = process.environ()
                marked = RUN_MARKER in ours and ours.get("QUAYSIDE_HOME") == str(self.home.root)
                if marked or process.cwd().startswith(str(self.home.root)):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def stop(self) -> None:
        """As Ctrl-C does."""
        if self.process is not None and not self.ended():
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=60)

    def kill(self) -> None:
        if self.process is not None and not self.ended():
            self.process.kill()
            self.process.wait()
        for process in self.everybody():
            process.kill()
