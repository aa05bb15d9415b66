"""People who pay one another on the local chain, so that pages are alive.

``python -m demo.chain_traffic URL FACTS`` sends a few transfers of coin and tokens for each block
until it is told to stop. A node that is away is waited for.
"""

from __future__ import annotations

import json
import logging
import random
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from foundation.evm.node import Endpoint, Node, NodeError
from foundation.evm.quantities import quantity

logger = logging.getLogger(__name__)

BLOCK_SECONDS: Final = 2.0
# How many transfers a block gets, and how often each of these numbers.
PER_BLOCK: Final = {0: 1, 1: 3, 2: 3, 3: 2, 5: 1}
# The part of what one holds that is sent, in ten thousandths.
PARTS: Final = (20, 400)
# Of 18 decimals so many are kept: nobody pays to the last wei.
ROUND: Final = 10**14
GAS_MONEY: Final = 10**17


class Market:
    """Draws who pays what to whom. ``accounts`` are unlocked at the node."""

    def __init__(
        self, node: Node, accounts: Sequence[str], tokens: Sequence[str], drawn: random.Random
    ) -> None:
        self.node, self.accounts, self.tokens = node, accounts, tokens
        self.drawn = drawn

    def trade(self) -> str | None:
        """Send one transfer; its hash, None if the one drawn has nothing. Raises ``NodeError``."""
        sender, recipient = self.drawn.sample(self.accounts, 2)
        token = self.drawn.choice([None, None, *self.tokens])
        amount = self._amount(sender, token)
        if amount <= 0:
            return None
        if token is None:
            what = {"to": recipient, "value": hex(amount)}
        else:
            what = {"to": token, "data": f"0xa9059cbb{recipient[2:]:0>64}{amount:064x}"}
        sent: str = self.node.call("eth_sendTransaction", {"from": sender, **what})
        return sent

    def _amount(self, sender: str, token: str | None) -> int:
        part = self.drawn.randint(*PARTS)
        if token is None:
            held = quantity(self.node.call("eth_getBalance", sender, "latest")) - GAS_MONEY
            return held * part // 10_000 // ROUND * ROUND
        question = {"to": token, "data": f"0x70a08231{sender[2:]:0>64}"}
        return quantity(self.node.call("eth_call", question, "latest")) * part // 10_000


def run(market: Market, stopping: threading.Event) -> None:
    """Trade until ``stopping`` is set."""
    counts, weights = list(PER_BLOCK), list(PER_BLOCK.values())
    away = False
    while not stopping.wait(BLOCK_SECONDS):
        try:
            for _ in range(market.drawn.choices(counts, weights)[0]):
                market.trade()
        except NodeError as problem:
            if not away:
                logger.warning("the chain does not take transfers: %s", problem)
            away = True
        else:
            away = False


def main(url: str, facts: str) -> None:
    logging.basicConfig(format="%(message)s")
    known = json.loads(Path(facts).read_text())
    node = Node(Endpoint("local", url), deadline=5)
    market = Market(node, known["accounts"], list(known["tokens"].values()), random.Random())
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    run(market, stopping)


if __name__ == "__main__":
    main(*sys.argv[1:])
