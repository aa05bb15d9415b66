from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from argparse import ArgumentParser
from dataclasses import dataclass
from typing import Any, Final

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, close_old_connections

from balances.models import Chain
from balances.services.catching_up import Halted
from balances.services.chain_lock import connect_directly
from balances.services.follower import Follower
from balances.services.rollback import forget
from balances.sources import sync_chains

logger = structlog.get_logger(__name__)

# How a process ends that a person has to look after.
HALTED: Final = 3
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
STABLE_AFTER: Final = 60.0
LOOK_EVERY: Final = 10.0
STOP_PATIENCE: Final = 15.0


class Command(BaseCommand):
    help = "Follows a chain: blocks, transactions and the balances of every followed address."

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--chain", type=int, metavar="ID", help="one chain, in this process")
        which.add_argument("--all", action="store_true", help="every chain, a process each")
        parser.add_argument(
            "--forget",
            action="store_true",
            help="first delete all that is known of the chain's blocks and balances, for a local "
            "chain that was made anew",
        )
        parser.add_argument(
            "--no-receipts", action="store_true", help="without fees, where receipts cost too much"
        )

    def handle(self, *, chain: int | None, forget: bool, no_receipts: bool, **options: Any) -> None:
        connect_directly()
        sync_chains()
        if chain is None:
            follow_all(anew=forget, receipts=not no_receipts)
        else:
            follow_one(chain, anew=forget, receipts=not no_receipts)


def follow_one(chain_id: int, *, anew: bool, receipts: bool) -> None:
    """Until SIGTERM or SIGINT, which let the block in hand be finished."""
    if not Chain.objects.filter(pk=chain_id, enabled=True).exists():
        known = ", ".join(str(pk) for pk in Chain.objects.values_list("pk", flat=True)) or "none"
        raise CommandError(f"No enabled chain has the id {chain_id}. Known: {known}.")
    if anew:
        forget(chain_id)
    follower = Follower(chain_id, receipts=receipts)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: follower.stop())
    try:
        follower.run()
    except Halted as problem:
        raise CommandError(f"Chain {chain_id} halted: {problem}.", returncode=HALTED) from problem
    logger.info("follower stopped", chain=chain_id)


@dataclass
class Child:
    process: subprocess.Popen[bytes]
    started: float
    pause: float = FIRST_PAUSE
    ended: float | None = None


def follow_all(*, anew: bool, receipts: bool) -> None:
    """A process for each enabled chain, started again when it ends, until SIGTERM or SIGINT.

    ``anew``: those that are enabled now are forgotten once; what is switched on or started again
    later goes on from what is known.
    """
    arguments = [] if receipts else ["--no-receipts"]
    forgetful = [*arguments, "--forget"] if anew else arguments
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    children: dict[int, Child] = {}
    next_look = 0.0
    try:
        while not stopping.is_set():
            if time.monotonic() >= next_look:
                next_look = time.monotonic() + LOOK_EVERY
                if _match(children, forgetful):
                    forgetful = arguments
            for chain_id, child in children.items():
                _mind(chain_id, child, arguments)
            stopping.wait(0.2)
    finally:
        _end(list(children.values()))


def _match(children: dict[int, Child], arguments: list[str]) -> bool:
    """Start what was switched on, end what was switched off. False while nobody can say what."""
    close_old_connections()
    try:
        wanted = set(Chain.objects.followed().values_list("pk", flat=True))
    except DatabaseError as problem:
        logger.warning("chains not read", error=repr(problem))
        return False
    for chain_id in wanted - children.keys():
        children[chain_id] = Child(_start(chain_id, arguments), time.monotonic())
    gone = [children.pop(chain_id) for chain_id in children.keys() - wanted]
    _end(gone)
    return True


def _mind(chain_id: int, child: Child, arguments: list[str]) -> None:
    code, now = child.process.poll(), time.monotonic()
    if code is None:
        return
    if child.ended is None:
        stayed = now - child.started > STABLE_AFTER
        child.pause = LONGEST_PAUSE if code == HALTED else FIRST_PAUSE if stayed else child.pause
        child.ended = now
        logger.warning("follower ended", chain=chain_id, code=code, again_in=child.pause)
    elif now - child.ended >= child.pause:
        child.process, child.started, child.ended = _start(chain_id, arguments), now, None
        child.pause = min(child.pause * 2, LONGEST_PAUSE)


def _start(chain_id: int, arguments: list[str]) -> subprocess.Popen[bytes]:
    program = [sys.executable, str(settings.BASE_DIR / "manage.py"), "follow_chain"]
    return subprocess.Popen([*program, "--chain", str(chain_id), *arguments])  # noqa: S603


def _end(children: list[Child]) -> None:
    for child in children:
        child.process.terminate()
    deadline = time.monotonic() + STOP_PATIENCE
    for child in children:
        try:
            child.process.wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            child.process.kill()
