"""Everything that `make up` runs, in the foreground, until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from demo import chain_genesis, chain_node, history, seed, servers, static
from demo.home import DemoError, Home, write_private
from demo.leftovers import RUN_MARKER
from demo.supervisor import SYSTEM, Log, Program, Supervisor, programs_of

SERVERS, SIMULATORS, PROCESSES = 0, 1, 2
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Command(BaseCommand):
    help = "Run the whole desk: servers, simulators and every process of the Procfile."
    requires_system_checks = ()

    def handle(self, **options: Any) -> None:
        home = Home.from_environment()
        try:
            with home.lock():
                asyncio.run(Desk(home).run())
        except DemoError as problem:
            raise CommandError(str(problem)) from problem


class Desk:
    """One run of everything. What is embedded is told by `.quayside/env` being in force."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.began = time.monotonic()
        prepared = home.read_env()
        if not prepared:
            raise DemoError("Run `make up`, or `python -m demo.prepare` first.")
        # The environment wins over what was prepared, save for the port that was checked.
        self.settings = {**prepared, **os.environ, "PORT": prepared["PORT"]}
        self.database = self.settings["DATABASE_URL"]
        self.embeds_database = self.database == prepared["DATABASE_URL"]
        self.embeds_valkey = prepared["REDIS_URL"] == settings.REDIS_URL
        self.port = int(prepared["PORT"])
        self.web = f"http://127.0.0.1:{self.port}"
        self.chain_port = prepared.get("CHAIN_PORT", "")
        self.anvil = chain_node.find() if self.chain_port else None
        programs = [*self._servers(), *self._simulators()]
        programs += programs_of(settings.BASE_DIR / "Procfile", stage=PROCESSES)
        self.log = Log(program.name for program in programs)
        self.supervisor = Supervisor(
            programs,
            environment=child_environment(home, self.settings),
            log=self.log,
            on_start=self._write_state,
        )
        self.stop_wanted = asyncio.Event()

    async def run(self) -> None:
        """Start in order, stay until a signal, stop in the opposite order."""
        self._listen_for_signals()
        try:
            async with self.supervisor:
                start = asyncio.create_task(self._start())
                stop = asyncio.create_task(self.stop_wanted.wait())
                await asyncio.wait([start, stop], return_when=asyncio.FIRST_COMPLETED)
                if not start.done():
                    start.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await start
                await stop
                self._say("stopping")
        finally:
            self.home.state_file.unlink(missing_ok=True)
        self._say("stopped")

    async def _start(self) -> None:
        if self.embeds_database:
            password = urlsplit(self.database).password or ""
            await asyncio.to_thread(
                servers.initialise_postgres, self.home.postgres, password=password
            )
        if self.anvil:
            await asyncio.to_thread(chain_genesis.initialise, self.home.chain, self.anvil)
        self.supervisor.start(SERVERS)
        await asyncio.to_thread(servers.wait_for_postgres, self.database)
        await asyncio.to_thread(servers.wait_for_valkey, settings.REDIS_URL)
        credentials = await asyncio.to_thread(self._fill_database)
        self.supervisor.start(SIMULATORS)
        self.supervisor.start(PROCESSES)
        await self._web_answers()
        self._announce(credentials)

    def _fill_database(self) -> dict[str, str]:
        try:
            call_command("migrate", interactive=False, verbosity=0)
            static.collect_if_changed(self.home, self._say)
            return seed.seed(self.home)
        finally:
            connection.close()
            if settings.DATABASE_POOL_SIZE:
                connection.close_pool()  # type: ignore[attr-defined]

    async def _web_answers(self) -> None:
        while True:
            try:
                _reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return

    def _servers(self) -> list[Program]:
        run = (sys.executable, "-m", "demo.servers")
        programs = []
        if self.embeds_database:
            port = str(urlsplit(self.database).port)
            command = (*run, "postgres", str(self.home.postgres), port)
            # SIGTERM would wait for every client to leave; SIGINT disconnects them.
            programs.append(Program("postgres", command, SERVERS, stop_signal=signal.SIGINT))
        if self.embeds_valkey:
            port = str(urlsplit(settings.REDIS_URL).port)
            programs.append(
                Program("valkey", (*run, "valkey", str(self.home.valkey), port), SERVERS)
            )
        return programs

    def _simulators(self) -> list[Program]:
        if settings.SOURCES != "simulated":
            return []
        return [*self._market(), *self._chain()]

    def _market(self) -> list[Program]:
        port = self.settings["SIMULATORS_PORT"]
        walk = ("--seed", str(history.SEED))
        command = (sys.executable, "-m", "demo.simulators", "--port", port, *walk)
        return [Program("simulators", command, SIMULATORS)]

    def _chain(self) -> list[Program]:
        if not self.anvil:
            return []
        run, folder = (sys.executable, "-m"), self.home.chain
        node = (*run, "demo.chain_node", str(folder), self.chain_port)
        facts = str(folder / chain_genesis.FACTS)
        traffic = (*run, "demo.chain_traffic", str(self.chain_rpc), facts)
        return [Program("anvil", node, SIMULATORS), Program("traffic", traffic, PROCESSES)]

    @property
    def chain_rpc(self) -> str | None:
        return f"http://127.0.0.1:{self.chain_port}" if self.anvil else None

    def _write_state(self) -> None:
        simulated = settings.SOURCES == "simulated"
        state = {
            "web": self.web,
            "database": self.database,
            "valkey": settings.REDIS_URL,
            "simulators": f"http://127.0.0.1:{self.settings['SIMULATORS_PORT']}"
            if simulated
            else None,
            "chain_rpc": self.chain_rpc,
            "pids": {"supervisor": os.getpid(), **self.supervisor.pids},
        }
        try:
            write_private(self.home.state_file, json.dumps(state, indent=2))
        except OSError as problem:
            # A full disk ends nobody; the file is made up for as soon as there is room.
            self._say(f"{self.home.state_file.name} is not written: {problem}")
            asyncio.get_running_loop().call_later(1.0, self._write_state)

    def _listen_for_signals(self) -> None:
        for number in STOP_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._on_signal)

    def _on_signal(self) -> None:
        """The first signal stops in order; a second one is impatience."""
        if self.stop_wanted.is_set():
            self.supervisor.kill()
        self.stop_wanted.set()

    def _announce(self, credentials: dict[str, str]) -> None:
        source = "simulated data" if settings.SIMULATED else "live data from Kraken"
        took = time.monotonic() - self.began
        self._say(f"Quayside {settings.VERSION} is up after {took:.1f} s, {source}.")
        self._say(f"  rates    {self.web}/rates/")
        self._say(
            f"  chain    {self.web}/chain/" if settings.CHAINS else "  chain    missing: no node"
        )
        self._say(f"  admin    {self.web}/admin/")
        self._say(f"  API      {self.web}/api/docs")
        self._say(f"  status   {self.web}/status")
        for username, password in credentials.items():
            self._say(f"  sign in  {username} / {password}")
        self._say("Ctrl-C stops everything; the data stay for the next start.")

    def _say(self, text: str) -> None:
        self.log.write(SYSTEM, text)


def child_environment(home: Home, values: Mapping[str, str]) -> dict[str, str]:
    """The environment of every child; by its marker a later start finds what was left behind."""
    return {
        **values,
        RUN_MARKER: uuid4().hex,
        "QUAYSIDE_HOME": str(home.root),
        "QUAYSIDE_DEMO": "1",
        "PYTHONUNBUFFERED": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{values.get('PATH', '')}",
    }
