"""Child processes of a run: pinned to a core, watched for CPU and memory, ended by their own id."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".quayside" / "bench"
SERVER_CORE, CLIENT_CORE = 0, 1
FILES = 20_000


class CannotRun(Exception):
    """This machine lacks something a row needs; the message says what."""


def raise_file_limit() -> None:
    """Let this process and its children hold a socket per client."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def can_pin() -> bool:
    return shutil.which("taskset") is not None and (os.cpu_count() or 1) > 1


def pinned(command: Sequence[str], core: int) -> list[str]:
    return ["taskset", "-c", str(core), *command] if can_pin() else list(command)


class Child:
    """A running command. ``stop`` asks, then insists."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        core: int | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
        name: str,
        talks: bool = False,
        **options: Any,
    ) -> None:
        (WORK / "logs").mkdir(parents=True, exist_ok=True)
        self.log = WORK / "logs" / f"{name}.log"
        self.name = name
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                list(command) if core is None else pinned(command, core),
                cwd=cwd,
                env={**os.environ, **(env or {})},
                stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
                stdout=subprocess.PIPE if talks else log,
                stderr=log,
                text=True,
                **options,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()

    def read_line(self) -> str:
        """The next line of its output. Raises ``CannotRun`` when it has ended instead."""
        assert self.process.stdout is not None
        line: str = self.process.stdout.readline()
        if not line:
            raise CannotRun(f"{self.name} ended early: {self.last_words()}")
        return line

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def end_input(self) -> str:
        """Close its input and return the rest of its output."""
        out, _ = self.process.communicate(timeout=30)
        return str(out)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None and not stream.closed:
                stream.close()

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-600:].strip()

    def family(self) -> list[psutil.Process]:
        try:
            parent = psutil.Process(self.process.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def cpu_seconds(self) -> float:
        return sum(sum(process.cpu_times()[:2]) for process in self.family())

    def memory(self) -> int:
        """Resident bytes of the process and its children."""
        return sum(process.memory_info().rss for process in self.family())


@dataclass
class Core:
    """Busy seconds of one core since the machine started, all processes together."""

    number: int

    def busy(self) -> float:
        times = psutil.cpu_times(percpu=True)[self.number]
        return float(sum(times) - times.idle - times.iowait)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(child: Child, port: int, *, seconds: float = 30) -> None:
    """Return when something listens. Raises ``CannotRun`` if ``child`` ends or time is up."""
    deadline = time.monotonic() + seconds
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if child.process.poll() is not None or time.monotonic() > deadline:
            raise CannotRun(f"{child.name} does not listen: {child.last_words()}")
        time.sleep(0.05)
