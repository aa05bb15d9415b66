"""A node that is killed and started again: what is known stays on its pages, nothing is missed."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import contextmanager
from typing import Final

import pytest

from balances.models import Block, Chain, Coverage
from balances.services import backfill, seeding
from balances.services.amounts import address_text
from balances.tests.following import (
    Town,
    configured,
    eventually,
    orphans,
    process,
    written,
    wrong_balances,
    wrong_history,
)
from balances.tests.people import signed_in
from demo import chain_node
from demo.pytest_anvil import Anvil, binary, wait_for
from demo.servers import free_port

pytestmark = pytest.mark.django_db(transaction=True)

# Seconds for which the node is away.
AWAY: Final = 60.0 if os.environ.get("QUAYSIDE_SHOWS") == "full" else 3.0


class Mortal(Anvil):
    """A node that keeps its chain in a file, and so can be killed and started again."""

    def __init__(self, folder) -> None:
        super().__init__(free_port(), 1)
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        state = str(self.folder / chain_node.STATE)
        self.process = subprocess.Popen(
            [
                *(binary(), "--silent", "--port", self.url.rpartition(":")[2], "--chain-id", "1"),
                *("--state", state, "--state-interval", "1", "--preserve-historical-states"),
            ]
        )
        wait_for(self, self.process)

    def kill(self) -> None:
        """Once everything it has is in its file: what it would lose were a reorg."""
        state, asked = self.folder / chain_node.STATE, time.time()
        eventually(lambda: state.exists() and state.stat().st_mtime > asked + 0.1, "written")
        self.end()
        chain_node.mend(self.folder)

    def end(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


@pytest.fixture
def node(tmp_path):
    node = Mortal(tmp_path)
    node.start()
    yield node
    node.end()
    node.close()


@contextmanager
def followed(town, watched):
    with process(configured(town.anvil), "--chain", "1") as follower:
        eventually(lambda: Chain.objects.filter(head_number__isnull=False).exists(), "begun")
        seeding.watch_addresses(watched)
        assert backfill.run_due(10, kinds=["seed"]) == len(watched)
        yield follower


def is_caught_up(town):
    chain = Chain.objects.get()
    told = (chain.head_number, written(bytes(chain.head_hash or b"")))
    return chain.state == Chain.State.OK and told == town.head()


class Reader:
    """Somebody who looks at everything all the time."""

    def __init__(self, who: bytes) -> None:
        self.client = signed_in("ann")
        self.address = address_text(who)
        self.states: set[str] = set()

    def get(self, path: str):
        response = self.client.get(path)
        assert response.status_code == 200, (path, response.status_code)
        return response

    def look(self) -> tuple[str, float]:
        """The state of the chain; what the coin is worth here, with its age in seconds."""
        for path in ("/chain/", "/balances/", f"/balances/{self.address}/"):
            self.get(path)
        (chain,) = self.get("/api/v1/chains").json()["chains"]
        holdings = self.get(f"/api/v1/balances/{self.address}").json()["holdings"]
        coin = next(row for row in holdings if row["token"]["contract"] is None)
        self.states.add(chain["state"])
        self.value = coin["value"]
        return chain["state"], coin["age_seconds"]


def test_while_the_node_is_away_pages_serve_with_age_and_afterwards_no_block_is_missing(node):
    town = Town(node, 5)
    who = town.people[0]
    with followed(town, town.people):
        town.pay(10)
        eventually(lambda: is_caught_up(town) and not wrong_balances(town), "caught up")
        known, held = town.head()[0], str(town.truth(who, b"", town.head()[0]))
        reader = Reader(who)
        eventually(lambda: reader.look()[0] == "live", "live")
        node.kill()
        killed = time.monotonic()

        def has_been_away():
            state, age = reader.look()
            # Whatever was known is still told, and how old it is.
            assert (reader.value, Chain.objects.get().head_number) == (held, known)
            away = time.monotonic() - killed
            assert age >= 0
            return state == "down" and away > AWAY and age >= min(away, AWAY)

        eventually(has_been_away, "down", seconds=AWAY + 60)
        assert reader.states >= {"live", "down"}
        node.start()
        node.ask("anvil_autoImpersonateAccount", True)
        town.pay(40)
        eventually(lambda: is_caught_up(town) and not wrong_balances(town), "caught up again")
        eventually(lambda: reader.look()[0] == "live", "live")
        assert reader.value == str(town.truth(who, b"", town.head()[0]))
    numbers = list(Block.objects.order_by("number").values_list("number", flat=True))
    assert numbers == list(range(numbers[0], town.head()[0] + 1))
    # Followed all the time: what is known has no end at the outage either.
    assert not Coverage.objects.filter(token__contract__gt=b"", to_block=known).exists()
    assert wrong_history(town, 100) == []
    assert orphans(town) == []
    assert Chain.objects.get().epoch == 1
