"""What is done to the desk: killed, stopped, frozen, cut, filled, told nonsense and wrong times."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import psutil
import psycopg
import redis

from demo.desk import Desk
from demo.home import BASE_DIR

PROCESSES: Final = ("web", "worker", "backfill", "beat", "feed", "chain")
SERVERS: Final = ("postgres", "valkey", "anvil", "simulators")
# Debian's libfaketime puts it here, under a folder named after the machine.
FAKETIME: Final = "/usr/lib/*/faketime/libfaketime.so.1"


class Fault(NamedTuple):
    """``happens`` is entered, held for ``hold`` seconds, and left: then the cause has ended."""

    name: str
    happens: Callable[[], contextlib.AbstractContextManager[None]]
    hold: float = 0.0
    missing: str = ""


def all_of(desk: Desk, disk: Path | None) -> Iterator[Fault]:
    for name in (*PROCESSES, *SERVERS):
        yield Fault(f"kill -9 {name}", partial(killed, desk, name, signal.SIGKILL))
    for name in ("web", "feed", "chain", "worker"):
        yield Fault(f"stop {name}", partial(killed, desk, name, signal.SIGTERM))
    for name in (*PROCESSES, *SERVERS):
        yield Fault(f"freeze {name}", partial(frozen, desk, name), 4)
    for mode in ("close", "garbage", "silent", "maintenance", "burst"):
        yield Fault(f"exchange: {mode}", partial(exchange, desk, mode), 4)
    for mode in ("500", "html", "slow", "200_error"):
        yield Fault(f"coin sources: {mode}", partial(coin_sources, desk, mode), 4)
    yield Fault("cut: sessions of PostgreSQL", lambda: sessions_cut(desk))
    yield Fault("cut: clients of Valkey", lambda: clients_cut(desk))
    yield Fault("empty Valkey", lambda: valkey_emptied(desk))
    no_tmpfs = "" if disk else "needs root, to mount a small disk"
    yield Fault("disk full", lambda: disk_full(disk), 4, no_tmpfs)
    fake = next(Path("/").glob(FAKETIME.lstrip("/")), None)
    no_fake = "" if fake else "needs libfaketime: `apt-get install libfaketime`"
    for shift in ("+1h", "-1h"):
        yield Fault(f"feed's clock {shift}", partial(clock_jump, desk, fake, shift), 8, no_fake)


@contextmanager
def killed(desk: Desk, name: str, number: signal.Signals) -> Iterator[None]:
    """The supervisor starts it again."""
    before = desk.pid(name)
    assert before is not None, f"{name} does not run"
    os.kill(before, number)
    yield
    desk.until(lambda: desk.pid(name) not in (None, before))


@contextmanager
def frozen(desk: Desk, name: str) -> Iterator[None]:
    """Sockets stay open and nobody answers; children as well."""
    pid = desk.pid(name)
    assert pid is not None, f"{name} does not run"
    parent = psutil.Process(pid)
    family = [parent, *parent.children(recursive=True)]
    for process in family:
        process.suspend()
    try:
        yield
    finally:
        for process in reversed(family):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


@contextmanager
def exchange(desk: Desk, mode: str) -> Iterator[None]:
    _control(desk, "", mode=mode)
    try:
        yield
    finally:
        _control(desk, "", mode="normal")


@contextmanager
def coin_sources(desk: Desk, mode: str) -> Iterator[None]:
    _control(desk, "/coins", mode=mode)
    try:
        yield
    finally:
        _control(desk, "/coins", mode="normal")


def _control(desk: Desk, what: str, **wanted: Any) -> None:
    address = f"{desk.state()['simulators']}/control{what}"
    httpx.post(address, json=wanted, trust_env=False, timeout=10).raise_for_status()


@contextmanager
def sessions_cut(desk: Desk) -> Iterator[None]:
    with psycopg.connect(desk.state()["database"], autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
    yield


@contextmanager
def clients_cut(desk: Desk) -> Iterator[None]:
    with redis.from_url(desk.state()["valkey"]) as client:
        for kind in ("normal", "pubsub"):
            client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
    yield


@contextmanager
def valkey_emptied(desk: Desk) -> Iterator[None]:
    """Everything in it can be made again."""
    with redis.from_url(desk.state()["valkey"]) as client:
        client.flushall()
    yield


@contextmanager
def disk_full(disk: Path | None) -> Iterator[None]:
    assert disk is not None
    stuff = disk / "stuff"
    # Everybody else writes as well, so what is free is not known before it is taken.
    with contextlib.suppress(OSError), stuff.open("wb", buffering=0) as file:
        while file.write(bytes(1 << 16)):
            pass
    try:
        yield
    finally:
        stuff.unlink()


@contextmanager
def clock_jump(desk: Desk, fake: Path | None, shift: str) -> Iterator[None]:
    """A second feed, whose clock is wrong, leads while the first is frozen."""
    run = psutil.Process(desk.pid("feed")).environ()
    environment = {
        **run,
        "LD_PRELOAD": str(fake),
        "FAKETIME": shift,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with (desk.home.root / "standby.log").open("ab") as log:
        standby = subprocess.Popen(
            [sys.executable, "manage.py", "stream_rates"],
            cwd=BASE_DIR,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        with frozen(desk, "feed"):
            yield
    finally:
        standby.kill()
        standby.wait()


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path | None]:
    """A disk of its own that can be filled; ``None`` where nobody may mount one."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "none", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
