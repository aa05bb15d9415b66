"""Ends what a supervisor that was killed with -9 left running."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import psutil

from demo.home import Home

# The supervisor puts this variable into the environment of everything that it starts.
RUN_MARKER = "QUAYSIDE_RUN"
PATIENCE = 10.0


def end(home: Home) -> list[str]:
    """End the leftovers of ``home`` and return their names. Call it while holding the lock."""
    found = list(_leftovers(home))
    for process in found:
        _ask_to_stop(process, home)
    _gone, alive = psutil.wait_procs(found, timeout=PATIENCE)
    for process in alive:
        process.kill()
    psutil.wait_procs(alive, timeout=PATIENCE)
    return sorted({process.info["name"] for process in found})


def _leftovers(home: Home) -> Iterator[psutil.Process]:
    mine = {process.pid for process in psutil.Process().parents()} | {psutil.Process().pid}
    for process in psutil.process_iter(["name"]):
        if process.pid not in mine and _belongs(process, home):
            yield process


def _belongs(process: psutil.Process, home: Home) -> bool:
    try:
        environment = process.environ()
        if RUN_MARKER in environment and environment.get("QUAYSIDE_HOME") == str(home.root):
            return True
        # The servers overwrite their environment with a process title, but stay in their folder.
        return Path(process.cwd()) in (home.postgres, home.valkey)
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return False


def _ask_to_stop(process: psutil.Process, home: Home) -> None:
    try:
        in_postgres = Path(process.cwd()) == home.postgres
        # PostgreSQL waits for its clients on SIGTERM; SIGINT disconnects them.
        process.send_signal(signal.SIGINT if in_postgres else signal.SIGTERM)
    except psutil.NoSuchProcess:
        return
