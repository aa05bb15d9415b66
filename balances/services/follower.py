"""Follows one chain: hears of heads, looks for itself, and applies what is new.

Three threads: this one works, one listens for announced heads, one says each second that the
follower lives. A follower needs no announcements: it polls, and so notices when they stop.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.utils import timezone

from balances.models import Chain
from balances.services import announcements, chain_state, publishing, seeding
from balances.services.announcements import Ears, Pulse, running
from balances.services.catching_up import CatchUp, Halted, HeadMoved
from balances.services.chain_lock import ChainLock, LockLost
from balances.services.seeding import NoTip
from balances.sources import Unconfigured, can_trace, nodes_for, ways_to, websocket_of
from foundation.evm import blocks as wire
from foundation.evm.blocks import Header
from foundation.evm.node import NodeError
from foundation.evm.nodes import Nodes

logger = structlog.get_logger(__name__)

BEAT_EVERY: Final = 1.0
LOCK_EVERY: Final = 1.0
RETRY_AFTER: Final = 0.5
LONGEST_RETRY: Final = 60.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. ``poll``: between looks at the head; ``patience``: see ``CatchUp``."""

    poll: float
    patience: float

    @classmethod
    def of(cls, chain: Chain, *, announced: bool) -> Pace:
        step = chain.block_time_ms / 1000
        poll = max(2 * step, 2.0) if announced else min(max(step / 2, 0.25), 2.0)
        return cls(poll=poll, patience=max(2 * step, 3.0))


class Follower:
    """``pace`` and ``receipts`` are for tests and for chains whose nodes charge for receipts."""

    def __init__(self, chain_id: int, *, pace: Pace | None = None, receipts: bool = True) -> None:
        self.chain_id = chain_id
        self.stopping = threading.Event()
        self._given_pace = pace
        self._receipts = receipts
        self._wake = threading.Event()
        self._announced: Header | None = None
        self._pulse = Pulse()
        self._behind_since: float | None = None
        self._refusals = 0
        # Cells in doubt may be left after a round.
        self._more = False
        self._state = ""
        # What listeners were told, and how long it stays true without a new block.
        self._told = ("", "")
        self._late_in: float | None = None

    def stop(self) -> None:
        """From any thread or a signal: the block in hand is finished."""
        self.stopping.set()
        self._wake.set()

    def run(self) -> None:
        """Follow until ``stop``. Raises ``Halted`` where a person has to look.

        Waits for its turn where another follows the chain already, and begins anew when the
        database was away.
        """
        while not self.stopping.is_set():
            lock = ChainLock(self.chain_id)
            try:
                if self._wait_for(lock):
                    self._lead(lock)
            except (LockLost, OperationalError, InterfaceError) as problem:
                logger.warning("lock lost", chain=self.chain_id, error=repr(problem))
                self.stopping.wait(LOCK_EVERY)
            finally:
                self._let_go(lock)

    # --- Who follows ---------------------------------------------------------------------

    def _wait_for(self, lock: ChainLock) -> bool:
        told = False
        while not self.stopping.is_set():
            if lock.take():
                return True
            if not told:
                logger.info("another follows this chain; waiting", chain=self.chain_id)
                told = True
            self.stopping.wait(LOCK_EVERY)
        return False

    def _let_go(self, lock: ChainLock) -> None:
        try:
            lock.release()
        except DatabaseError as problem:
            logger.warning("lock not given back", chain=self.chain_id, error=repr(problem))
        finally:
            connection.close()

    def _lead(self, lock: ChainLock) -> None:
        while not self.stopping.is_set():
            chain = Chain.objects.get(pk=self.chain_id)
            if not chain.enabled:
                # Switched off by an operator; whoever started it may have it switched on again.
                lock.check()
                self.stopping.wait(LOCK_EVERY)
                continue
            self._state = chain.state
            seeding.seed_missing(chain)
            try:
                nodes = nodes_for(chain)
            except Unconfigured as problem:
                raise self._halt(str(problem)) from problem
            try:
                self._follow(chain, nodes, lock)
            except Halted as problem:
                raise self._halt(str(problem)) from problem
            finally:
                nodes.close()

    def _follow(self, chain: Chain, nodes: Nodes, lock: ChainLock) -> None:
        """Until ``stop``, until the chain is switched off, or until its endpoints are others or can
        do other things."""
        known = ways_to(chain)
        url = websocket_of(chain)
        pace = self._given_pace or Pace.of(chain, announced=bool(url))
        catch_up = CatchUp(
            chain.pk,
            nodes,
            chain.reorg_depth,
            traced=can_trace(chain),
            receipts=self._receipts,
            patience=pace.patience,
            check=lock.check,
        )
        logger.info("following", chain=chain.pk)
        with self._beating(), self._listening(url, pace):
            checked = False
            while not self.stopping.is_set():
                lock.check()
                if ways_to(chain) != known:
                    logger.info("endpoints changed, or switched off", chain=chain.pk)
                    return
                if not checked:
                    checked = self._try(lambda: self._check_identity(nodes))
                done = checked and self._try(lambda: self._advance(catch_up))
                self._note_silence()
                self._tell()
                if not (done and self._more):
                    self._rest(pace.poll if done else min(pace.poll, RETRY_AFTER))

    def _rest(self, seconds: float) -> None:
        """Until something is announced; after a refusal announcements are no reason to hurry."""
        if self._refusals:
            self.stopping.wait(min(RETRY_AFTER * 2 ** min(self._refusals, 8), LONGEST_RETRY))
        else:
            late_in = seconds if self._late_in is None else self._late_in
            self._wake.wait(min(seconds, late_in))
        self._wake.clear()

    # --- One round ------------------------------------------------------------------------

    def _try(self, step: Callable[[], None]) -> bool:
        """Whether ``step`` was done. What may be better next time is logged and left to it."""
        try:
            step()
        except NodeError as problem:
            if problem.kind == "wrong_chain":
                raise Halted("another chain answers at the endpoint") from problem
            logger.warning("node", chain=self.chain_id, error=str(problem))
            return False
        except (OperationalError, InterfaceError):
            # The database is away, and the lock with it: begun anew.
            raise
        except DatabaseError as problem:
            self._refused(problem)
            return False
        except HeadMoved as problem:
            # Not to be repeated at once: the node may need a moment to agree with itself.
            logger.info("head moved", chain=self.chain_id, detail=str(problem))
            self._pulse.answered()
            return False
        self._pulse.answered()
        return True

    def _refused(self, problem: DatabaseError) -> None:
        """The database does not take what the node said. Nothing of it was stored, and no later
        block can stand without this one: it is tried again, ever more seldom, under an alarm."""
        self._refusals += 1
        reason = f"the database refuses what the node said: {type(problem).__name__}"
        logger.error("refused by the database", chain=self.chain_id, error=repr(problem))
        self._set_state(Chain.State.LAGGING, reason)
        self._pulse.answered()

    def _check_identity(self, nodes: Nodes) -> None:
        """The chain id is checked by ``Nodes``. The first block tells a chain made anew."""
        genesis = wire.fetch_header(nodes, 0)
        if genesis is None:
            raise NodeError("bad_answer", "no first block")
        chain = Chain.objects.get(pk=self.chain_id)
        if chain.genesis_hash is None:
            Chain.objects.filter(pk=chain.pk).update(genesis_hash=genesis.hash)
        elif bytes(chain.genesis_hash) != genesis.hash:
            raise Halted("another genesis block: the chain behind the endpoint is not this one")

    def _advance(self, catch_up: CatchUp) -> None:
        announced, self._announced = self._announced, None
        self._behind_since = self._behind_since or time.monotonic()
        catch_up.advance(announced)
        self._behind_since, self._refusals = None, 0
        self._reread(catch_up.nodes)
        self._set_state(Chain.State.OK, "")
        chain = Chain.objects.get(pk=self.chain_id)
        self._pulse.epoch, self._pulse.number = chain.epoch, chain.head_number or 0

    def _reread(self, nodes: Nodes) -> None:
        """One question's worth of cells in doubt. A full one is hardly the last: the next round
        begins at once, with the head, so that no block waits for more than one of them."""
        self._more = False
        try:
            self._more = seeding.reread_stale(self.chain_id, nodes) >= seeding.PER_PASS
        except NoTip as problem:
            logger.info("not read again yet", chain=self.chain_id, detail=str(problem))

    def _hear(self, header: Header | None) -> None:
        """The newest announcement is enough: blocks before it are found on the way."""
        self._announced = header
        self._wake.set()

    # --- How it fares -----------------------------------------------------------------------

    def _note_silence(self) -> None:
        if not self._pulse.alive:
            self._set_state(Chain.State.DOWN, "no endpoint answers")
        elif self._behind_since and time.monotonic() - self._behind_since > announcements.PATIENCE:
            self._set_state(Chain.State.LAGGING, "blocks are waiting to be applied")

    def _set_state(self, state: str, reason: str) -> None:
        if state == self._state:
            return
        self._state = state
        Chain.objects.filter(pk=self.chain_id).update(state=state, state_reason=reason)
        self._tell()
        logger.info("state", chain=self.chain_id, state=state, reason=reason)

    def _tell(self) -> None:
        """How the chain fares, if that is not what was told: also that no block came for too
        long."""
        chain, now = Chain.objects.get(pk=self.chain_id), timezone.now()
        state = chain_state.state_of(chain, now)
        self._late_in = chain_state.patience_left(chain, now)
        if (state.name, state.reason) != self._told:
            self._told = state.name, state.reason
            publishing.publish_state(chain)

    def _halt(self, reason: str) -> Halted:
        logger.error("chain halted", chain=self.chain_id, reason=reason)
        self._set_state(Chain.State.HALTED, reason[:200])
        return Halted(reason)

    # --- The other threads --------------------------------------------------------------------

    @contextmanager
    def _beating(self) -> Iterator[None]:
        done = threading.Event()

        def beat() -> None:
            while not done.wait(BEAT_EVERY):
                if self._pulse.alive and self._pulse.number:
                    publishing.say_alive(
                        self.chain_id, epoch=self._pulse.epoch, number=self._pulse.number
                    )

        with running(beat, done.set):
            yield

    @contextmanager
    def _listening(self, url: str, pace: Pace) -> Iterator[None]:
        if not url:
            yield
            return
        ears = Ears(url, self._hear, self._pulse, silence=max(15.0, 3 * pace.poll))
        with running(ears.run, ears.close):
            yield
