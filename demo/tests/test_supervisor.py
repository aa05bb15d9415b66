"""Real child processes: what they print, how they are started again, how they stop."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sys
import time

import psutil
import pytest
from honcho.printer import Printer

from demo import supervisor
from demo.supervisor import Log, Program, Supervisor, programs_of

DEADLINE = 15.0
FOREVER = "import time; time.sleep(60)"


def program(name: str, code: str, *, stage: int = 0) -> Program:
    return Program(name, (sys.executable, "-u", "-c", code), stage)


@pytest.fixture
def output():
    return io.StringIO()


@pytest.fixture
def supervise(output):
    """Build a supervisor whose logs go to ``output``."""

    def build(*programs: Program) -> Supervisor:
        log = Log((item.name for item in programs), Printer(output))
        return Supervisor(programs, environment=os.environ, log=log)

    return build


async def until(condition):
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


async def test_lines_carry_the_name_of_who_wrote_them(supervise, output):
    async with supervise(program("web", "print('hello')")) as running:
        running.start(0)
        await until(lambda: "web    | hello" in output.getvalue())


async def test_a_killed_process_comes_back_and_the_log_says_so(supervise, output):
    async with supervise(program("web", FOREVER)) as running:
        running.start(0)
        await until(lambda: running.pids)
        first = running.pids["web"]
        os.kill(first, signal.SIGKILL)
        await until(lambda: running.pids.get("web", first) != first)
    assert "web was ended by SIGKILL; starting it again in 0.5 s" in output.getvalue()


async def test_each_restart_waits_longer_up_to_a_limit(supervise, output, monkeypatch):
    monkeypatch.setattr(supervisor, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(supervisor, "LONGEST_DELAY", 0.03)
    async with supervise(program("web", "raise SystemExit(3)")) as running:
        running.start(0)
        await until(lambda: output.getvalue().count("in 0.03 s") >= 2)
    delays = [
        line.rsplit("in ", 1)[1] for line in output.getvalue().splitlines() if "ended" in line
    ]
    assert delays[:4] == ["0.01 s", "0.02 s", "0.03 s", "0.03 s"]


async def test_a_process_that_stayed_up_starts_again_at_once(supervise, output, monkeypatch):
    monkeypatch.setattr(supervisor, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(supervisor, "STABLE_AFTER", 0.0)
    async with supervise(program("web", "pass")) as running:
        running.start(0)
        await until(lambda: output.getvalue().count("starting it again") >= 4)
    assert "0.04 s" not in output.getvalue()


async def test_a_command_that_is_not_there_is_told_and_tried_again(supervise, output):
    async with supervise(Program("web", ("/nonexistent/program",), 0)) as running:
        running.start(0)
        await until(lambda: "web could not be started" in output.getvalue())


async def test_later_stages_stop_first(supervise, output):
    says = "import signal, sys, time\nsignal.signal(15, lambda *a: (print('bye'), sys.exit()))\n"
    says += "print('ready')\ntime.sleep(600)"
    async with supervise(program("server", says), program("client", says, stage=1)) as running:
        running.start(0)
        running.start(1)
        await until(lambda: output.getvalue().count("ready") == 2)
    farewells = [line for line in output.getvalue().splitlines() if "bye" in line]
    assert ["client" in line for line in farewells] == [True, False]


async def test_a_process_that_ignores_the_signal_is_killed(supervise, output, monkeypatch):
    monkeypatch.setattr(supervisor, "STOP_PATIENCE", 0.2)
    stubborn = "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('ready')\n"
    async with supervise(program("web", stubborn + "time.sleep(600)")) as running:
        running.start(0)
        await until(lambda: "ready" in output.getvalue())
    assert "web did not stop in time and is killed" in output.getvalue()


async def test_children_of_a_killed_process_do_not_outlive_it(supervise, output):
    parent = (
        f"import subprocess, sys\nchild = subprocess.Popen([sys.executable, '-c', {FOREVER!r}])\n"
    )
    async with supervise(
        program("worker", parent + "print('child', child.pid)\nchild.wait()")
    ) as running:
        running.start(0)
        await until(lambda: "child" in output.getvalue())
        orphan = int(output.getvalue().split("child ")[1].split()[0])
        os.kill(running.pids["worker"], signal.SIGKILL)
        await until(lambda: not psutil.pid_exists(orphan) or is_zombie(orphan))


def is_zombie(pid):
    return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


async def test_stopping_while_a_restart_waits_starts_nothing_again(supervise, output):
    async with supervise(program("web", "pass")) as running:
        running.start(0)
        await until(lambda: "starting it again" in output.getvalue())
    assert running.pids == {}


async def test_a_very_long_line_does_not_stop_the_log(supervise, output, monkeypatch):
    monkeypatch.setattr(supervisor, "LONGEST_LINE", 1000)
    code = "print('x' * 5000)\nprint('after')"
    async with supervise(program("web", code)) as running:
        running.start(0)
        await until(lambda: "| after" in output.getvalue())


async def test_a_reader_of_the_log_that_has_gone_does_not_end_the_processes(supervise):
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    running = Supervisor(
        [program("web", "print('hello')\n" + FOREVER)],
        environment=os.environ,
        log=Log(["web"], Printer(Gone())),
    )
    async with running:
        running.start(0)
        await until(lambda: not isinstance(running.log.printer.output, Gone))
        assert "web" in running.pids


def test_a_procfile_becomes_programs(tmp_path):
    procfile = tmp_path / "Procfile"
    procfile.write_text("# comment\nweb: python -m config.serve\nbeat: celery -A config beat\n")
    assert programs_of(procfile, stage=2) == [
        Program("web", ("python", "-m", "config.serve"), 2),
        Program("beat", ("celery", "-A", "config", "beat"), 2),
    ]
