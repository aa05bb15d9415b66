"""What browsers may hear of chains and balances. Importing this registers it, once, at start."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from channels.db import database_sync_to_async

from balances.constants import SILENCE
from balances.services import chain_state, snapshots
from live import topics
from live.messages import TOPIC_STATE, Message

CHAIN: Final = re.compile(r"chain:([1-9]\d{0,17})", re.ASCII)
# States in which the follower gives no sign of life, and has said why.
TOLD_OFF: Final = (chain_state.DOWN, chain_state.HALTED)
BALANCES: Final = re.compile(r"balances:0x([0-9a-f]{40})", re.ASCII)


def make_chain(name: str) -> topics.Topic | None:
    """Public: what a chain does is no secret."""
    found = CHAIN.fullmatch(name)
    if found is None:
        return None
    number = int(found[1])
    return topics.Topic(
        name=name,
        channel=name,
        snapshot=_reading(lambda: snapshots.of_chain(number)),
        state_event="chain:state",
        silent_after=SILENCE,
        stale_form=stale_form,
    )


def make_balances(name: str) -> topics.Topic | None:
    """For whoever is signed in. Its values say their age themselves, so silence means nothing."""
    found = BALANCES.fullmatch(name)
    if found is None:
        return None
    raw = bytes.fromhex(found[1])
    return topics.Topic(
        name=name,
        channel=name,
        snapshot=_reading(lambda: snapshots.of_address(raw)),
        state_event="balances:state",
        may_subscribe=may_hear_balances,
    )


def may_hear_balances(user: Any, topic_name: str) -> bool:
    """As for reading: any address's, for those who are signed in."""
    return bool(user.is_authenticated and user.is_active)


def stale_form(message: Message) -> tuple[bytes, bytes]:
    """The chain's last words, marked as such: nobody follows it, or no node answers.

    Why it does not, where the follower had still said so, stays.
    """
    doubt = {"state": chain_state.STALE, "reason": chain_state.SILENT}
    if message.key == TOPIC_STATE:
        state = json.loads(message.data)
        if state["state"] not in TOLD_OFF:
            state |= doubt
        return _json(state), message.meta
    return message.data, _json(json.loads(message.meta) | doubt)


def _json(facts: object) -> bytes:
    return json.dumps(facts, separators=(",", ":")).encode()


def _reading(read: Callable[[], Iterable[Message]]) -> Callable[[], Awaitable[list[Message]]]:
    @database_sync_to_async
    def found() -> list[Message]:
        return list(read())

    return found


topics.register_family(topics.Family(prefix="chain:", form="chain:<id>", make=make_chain))
topics.register_family(
    topics.Family(prefix="balances:", form="balances:<0x and 40 digits>", make=make_balances)
)
