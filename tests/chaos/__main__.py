"""Run the faults one after another and print one table: seconds until the desk serves again, and
until a task of every queue has been done. Ends with 1 if anything was found, with 2 if a fault was
not run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import httpx
import psycopg

from demo.desk import Desk
from tests.chaos import checks, faults
from tests.chaos.load import PAIRS, Ledger, Load

# Seconds from the end of a cause until all is as before, by the design; and until it is given up.
PROMISE: Final = 10.0
PATIENCE: Final = 60.0
# The same for work in the background: a worker begins, and beat's next turn comes.
TASKS_PROMISE: Final = 30.0
# A task of each queue that beat queues every few seconds.
TASKS: Final = {
    "prices": "rates.store_closed_candles",
    "default": "orgs.count_own_actions",
    "rpc.hot": "balances.token_metadata",
    "rpc.backfill": "balances.backfill_dispatch",
}
WARM_UP: Final = 10.0
DISK_MEGABYTES: Final = 1500
SETTINGS: Final = {
    "THROTTLE_ANON": "1000000/min",
    "THROTTLE_USER": "1000000/min",
    "THROTTLE_EVENTS": "1000000/min",
    "LOG_LEVEL": "WARNING",
}
MAKE_PEOPLE: Final = """
import json
from accounts.models import Scope, User
from accounts.services import tokens
from orgs.tests.events import an_organisation
org, key = an_organisation("Chaos")
operator = User.objects.get(username="operator")
token = tokens.create(user=operator, name="chaos", scopes=[Scope.OPERATOR], expires_at=None)[1]
print(json.dumps({"operator": token, "key": key, "org": org.pk}))
"""


class Chaos:
    def __init__(self, desk: Desk, disk: Path | None, only: str) -> None:
        self.desk, self.disk, self.only = desk, disk, only
        self.ledger = Ledger(f"run{os.getpid()}")
        self.not_run: list[str] = []
        self.slow: list[str] = []
        self.problems: list[str] = []

    async def run(self) -> bool:
        made = await asyncio.to_thread(
            self.desk.run, "manage.py", "shell", "--no-imports", "-c", MAKE_PEOPLE
        )
        assert made.returncode == 0, made.stderr
        people = json.loads(made.stdout.splitlines()[-1])
        load = Load(self.desk.state()["web"], self.ledger, **people)
        load.start()
        try:
            await asyncio.sleep(WARM_UP)
            await self._recovery(time.monotonic(), load)
            before = await asyncio.to_thread(checks.Footprint, self.desk)
            for fault in faults.all_of(self.desk, self.disk):
                if self.only in fault.name:
                    await self._suffer(fault, load)
            await self._finish(load, before)
        finally:
            await load.stop()
        self._print_rest()
        return not (self.problems or self.slow or self.ledger.wrong)

    async def _suffer(self, fault: faults.Fault, load: Load) -> None:
        if fault.missing:
            print(f"{fault.name:32} not run: {fault.missing}", flush=True)
            self.not_run.append(f"{fault.name}: {fault.missing}")
            return
        context = fault.happens()
        await asyncio.to_thread(context.__enter__)
        await asyncio.sleep(fault.hold)
        ended = asyncio.create_task(asyncio.to_thread(context.__exit__, None, None, None))
        began, began_at = time.monotonic(), time.time()
        await ended
        took = await self._recovery(began, load)
        worked = await self._work_again(began, began_at)
        found = [f"{fault.name}: {what}" for what in await asyncio.to_thread(self._missing)]
        verdict = "ok"
        if took is None:
            verdict, took = "NOT RECOVERED", PATIENCE
            self.problems.append(f"{fault.name}: not recovered after {PATIENCE:.0f} s: {self._why}")
        elif took > PROMISE:
            verdict = f"over {PROMISE:.0f} s"
            self.slow.append(f"{fault.name}: {took:.1f} s")
        if worked is None:
            verdict, worked = "NO TASKS", PATIENCE
            self.problems.append(f"{fault.name}: no task succeeded in {self._idle}")
        elif worked > TASKS_PROMISE:
            verdict = f"tasks over {TASKS_PROMISE:.0f} s"
            self.slow.append(f"{fault.name}: tasks after {worked:.1f} s")
        self.problems += found
        print(f"{fault.name:32} {took:6.1f} s {worked:6.1f} s  {verdict}", flush=True)

    def _missing(self) -> list[str]:
        pids = self.desk.state()["pids"]
        return [
            f"{name} does not run"
            for name in (*faults.PROCESSES, *faults.SERVERS)
            if name not in pids
        ]

    async def _recovery(self, began: float, load: Load) -> float | None:
        """Seconds until events, edits, pages, blocks and readiness are all there again."""
        first = await asyncio.to_thread(self._head)
        waiting: dict[str, Callable[[], bool]] = {
            "event": lambda: self.ledger.event_at > began,
            "edit": lambda: self.ledger.edit_at > began and self.ledger.agreed(),
            "page": lambda: self.ledger.page_at > began,
        }
        while time.monotonic() - began < PATIENCE:
            waiting = {name: true for name, true in waiting.items() if not true()}
            self._why = ", ".join(waiting) or "readiness or blocks"
            if not waiting and await asyncio.to_thread(self._serves, first):
                return time.monotonic() - began
            await asyncio.sleep(0.05)
        return None

    async def _work_again(self, began: float, began_at: float) -> float | None:
        """Seconds until a task of every queue has succeeded that was over after ``began``."""
        while time.monotonic() - began < PATIENCE + TASKS_PROMISE:
            done = await asyncio.to_thread(checks.successes, self.desk)
            idle = [queue for queue, task in TASKS.items() if done.get(task, 0) <= began_at]
            if not idle:
                return time.monotonic() - began
            self._idle = ", ".join(idle)
            await asyncio.sleep(0.2)
        return None

    def _head(self) -> int:
        try:
            return checks.head(self.desk)
        except psycopg.Error:
            return 0

    def _serves(self, first: int) -> bool:
        try:
            ready = httpx.get(f"{self.desk.state()['web']}/readyz", trust_env=False, timeout=3)
        except (httpx.HTTPError, OSError):
            return False
        return ready.status_code == 200 and self._head() > first

    async def _finish(self, load: Load, before: checks.Footprint) -> None:
        """Everything that was sent is acknowledged, the chain stands still: count again."""
        await load.quiesce()
        for pair in PAIRS:
            await load.edit(pair)
        traffic = self.desk.pid("traffic")
        assert traffic is not None
        os.kill(traffic, signal.SIGSTOP)
        try:
            await self._until(self.ledger.agreed)
            await self._until(self._at_head)
            for name, found in (
                ("events", checks.events(self.desk, self.ledger)),
                ("spreads", checks.spreads(self.desk, self.ledger)),
                ("balances", checks.balances(self.desk)),
                ("candles", checks.candles(self.desk)),
            ):
                self._report(name, await asyncio.to_thread(list, found))
        finally:
            os.kill(traffic, signal.SIGCONT)
        after = await asyncio.to_thread(checks.Footprint, self.desk)
        self._report("memory and connections", after.beyond(before))

    async def _until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if await asyncio.to_thread(true):
                return
            await asyncio.sleep(0.1)

    def _at_head(self) -> bool:
        return checks.head(self.desk) == int(checks.rpc(self.desk, "eth_blockNumber"), 16)

    def _report(self, name: str, found: Iterable[str]) -> None:
        wrong = list(found)
        self.problems += [f"{name}: {what}" for what in wrong]
        print(f"{name:32} {'ok' if not wrong else f'{len(wrong)} wrong'}", flush=True)

    def _print_rest(self) -> None:
        sent, ledger = sum(self.ledger.mail.values()) + self.ledger.actions, self.ledger
        print(f"\n{sent:,} events, {sum(ledger.statuses.values()):,} pages", end=" ")
        print(f"{dict(sorted(ledger.statuses.items()))}, slowest {ledger.slowest:.1f} s")
        for title, found in (
            ("Not run", self.not_run),
            ("Wrong", self.problems),
            ("Answers that must not be", ledger.wrong),
            (f"Slower than {PROMISE:.0f} s", self.slow),
        ):
            for what in found:
                print(f"{title}: {what}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--only", default="", help="faults whose name holds this")
    parser.add_argument(
        "--allow-missing", action="store_true", help="end well though some could not be run"
    )
    parser.add_argument("--log", type=Path, help="where to leave the desk's log")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="quayside-chaos-", ignore_cleanup_errors=True) as root:
        Path(root).chmod(0o755)
        with faults.small_disk(Path(root) / "disk", DISK_MEGABYTES) as disk:
            desk = Desk((disk or Path(root)) / "home", **SETTINGS)
            if not any(options.only in fault.name for fault in faults.all_of(desk, disk)):
                parser.error(f"no fault has {options.only!r} in its name")
            try:
                desk.start()
                chaos = Chaos(desk, disk, options.only)
                if not asyncio.run(chaos.run()):
                    return 1
                return 2 if chaos.not_run and not options.allow_missing else 0
            finally:
                if options.log:
                    options.log.write_text(desk.log())
                desk.stop()
                desk.kill()


if __name__ == "__main__":
    sys.exit(main())
