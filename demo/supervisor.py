"""Runs child processes side by side: prefixed logs, restarts with back-off, an orderly stop.

honcho's printer writes the logs. Its manager is not used, because it ends everything when one
process ends; ours starts that one again (docs/decisions/0005).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from honcho.colour import get_colours
from honcho.environ import parse_procfile
from honcho.printer import Message, Printer

FIRST_DELAY = 0.5
LONGEST_DELAY = 10.0
# A process that stayed up this long starts again at the shortest delay.
STABLE_AFTER = 30.0
STOP_PATIENCE = 10.0
LONGEST_LINE = 1024 * 1024
SYSTEM = "system"


@dataclass(frozen=True)
class Program:
    """What to run. A lower ``stage`` starts earlier and stops later."""

    name: str
    command: tuple[str, ...]
    stage: int
    stop_signal: signal.Signals = signal.SIGTERM


def programs_of(procfile: Path, *, stage: int) -> list[Program]:
    """The lines of a Procfile. They are run without a shell, so ``|`` and ``$`` mean nothing."""
    processes = parse_procfile(procfile.read_text()).processes
    return [
        Program(name, tuple(shlex.split(command)), stage) for name, command in processes.items()
    ]


class Log:
    """Every line with its time and the name of who wrote it."""

    def __init__(self, names: Iterable[str], printer: Printer | None = None) -> None:
        names = [SYSTEM, *names]
        self.printer = printer or Printer()
        self.printer.width = max(map(len, names))
        self.colours = dict(zip(names, get_colours(), strict=False))

    def write(self, name: str, text: str | bytes) -> None:
        colour = self.colours.get(name)
        try:
            self.printer.write(Message("line", text, datetime.now(), name, colour))
        except OSError:
            # Whoever read our output has gone. The processes matter more than their logs.
            self.printer.output = Path(os.devnull).open("w")  # noqa: SIM115


@dataclass
class Child:
    """One program, started again whenever it ends, until ``stop``."""

    program: Program
    log: Log
    environment: Mapping[str, str]
    on_start: Callable[[], None]
    process: asyncio.subprocess.Process | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        alive = self.process is not None and self.process.returncode is None
        return self.process.pid if alive and self.process else None

    def start(self) -> None:
        self._keeper = asyncio.create_task(self._keep_running(), name=self.program.name)

    async def _keep_running(self) -> None:
        delay = FIRST_DELAY
        while not self.stopping.is_set():
            started = time.monotonic()
            ending = await self._run_once()
            if self.stopping.is_set():
                return
            if time.monotonic() - started > STABLE_AFTER:
                delay = FIRST_DELAY
            self.log.write(
                SYSTEM, f"{self.program.name} {ending}; starting it again in {delay:g} s"
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), delay)
            delay = min(delay * 2, LONGEST_DELAY)

    async def _run_once(self) -> str:
        """Run the program to its end and return how it ended, in words."""
        # A pipe of our own: asyncio's would make `wait` wait for everybody who inherited it.
        reading, writing = os.pipe()
        try:
            self.process = await asyncio.create_subprocess_exec(
                *self.program.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=asyncio.subprocess.STDOUT,
                env=self.environment,
                # A group of its own: Ctrl-C reaches the supervisor alone, which stops in order.
                start_new_session=True,
            )
        except OSError as problem:
            os.close(reading)
            return f"could not be started ({problem})"
        finally:
            os.close(writing)
        if self.stopping.is_set():
            self._signal(self.program.stop_signal)
        self.on_start()
        relay = asyncio.create_task(self._relay(reading))
        code = await self.process.wait()
        self._end_group()
        # Somebody outside the group may hold the pipe open; nobody waits for that.
        await asyncio.wait([relay], timeout=1)
        relay.cancel()
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"

    async def _relay(self, descriptor: int) -> None:
        lines = asyncio.StreamReader(limit=LONGEST_LINE)
        transport, _protocol = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(lines), os.fdopen(descriptor, "rb", buffering=0)
        )
        with contextlib.closing(transport):
            while line := await self._next_line(lines):
                self.log.write(self.program.name, line)

    @staticmethod
    async def _next_line(lines: asyncio.StreamReader) -> bytes:
        try:
            return await lines.readline()
        except ValueError:
            return b"(a line longer than 1 MiB was left out)"

    def _end_group(self) -> None:
        """End what the process itself started: its children must not outlive it."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)

    async def stop(self) -> None:
        """Ask the process to end; kill it when it has not after ``STOP_PATIENCE`` seconds."""
        self.stopping.set()
        if self._keeper is None:
            return
        self._signal(self.program.stop_signal)
        await asyncio.wait([self._keeper], timeout=STOP_PATIENCE)
        if self.pid is not None:
            self.log.write(SYSTEM, f"{self.program.name} did not stop in time and is killed")
            self.kill()
        await self._keeper

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.pid is not None and self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)


class Supervisor:
    """Children in stages. Use it as a context manager: leaving it stops what it started."""

    def __init__(
        self,
        programs: Iterable[Program],
        *,
        environment: Mapping[str, str],
        log: Log,
        on_start: Callable[[], None] = lambda: None,
    ) -> None:
        """``on_start`` is called whenever a process has been started: ``pids`` has changed."""
        self.log = log
        self.children = [Child(program, log, environment, on_start) for program in programs]

    async def __aenter__(self) -> Supervisor:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.stop()

    def start(self, stage: int) -> None:
        for child in self.children:
            if child.program.stage == stage:
                child.start()

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of the children that are alive at this moment, by name."""
        return {child.program.name: child.pid for child in self.children if child.pid is not None}

    async def stop(self) -> None:
        """Stop the latest stage first, each stage together."""
        for stage in self._stages_downwards():
            await asyncio.gather(*(child.stop() for child in stage))

    def kill(self) -> None:
        for child in self.children:
            child.stopping.set()
            child.kill()

    def _stages_downwards(self) -> Iterator[list[Child]]:
        by_stage = attrgetter("program.stage")
        ordered = sorted(self.children, key=by_stage, reverse=True)
        return (list(children) for _stage, children in groupby(ordered, key=by_stage))
