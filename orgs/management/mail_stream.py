"""The stream of the reference challenge: domains that bounce a little, and some that never do."""

from __future__ import annotations

import random
import string
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from orgs.services.verdicts import Verdict, judge

# Of so many domains one has no bounces.
CLEAN_EVERY: Final = 25
# A domain has fewer events than this.
MOST_EVENTS: Final = 2_500
# Domains whose events come mixed, as from as many senders.
AT_ONCE: Final = 20
# A bounce comes after so large a part of a domain's events.
BOUNCE_AFTER: Final = 0.35
ENDINGS: Final = ("net", "com", "org", "io", "gov")


@dataclass
class Log:
    """What was sent, from which counts and verdicts follow without asking the server."""

    delivered: Counter[str] = field(default_factory=Counter)
    bounced: Counter[str] = field(default_factory=Counter)

    def note(self, domain: str, kind: str) -> None:
        (self.bounced if kind == "bounced" else self.delivered)[domain] += 1

    def domains(self) -> list[str]:
        return sorted({*self.delivered, *self.bounced})

    def expected(self, domain: str) -> tuple[int, int, Verdict]:
        """Deliveries, bounces, verdict."""
        delivered, bounced = self.delivered[domain], self.bounced[domain]
        return delivered, bounced, judge(delivered, bounced)


def events(count: int, *, seed: int | None = None) -> Iterator[tuple[str, str]]:
    """``count`` pairs of domain and kind, of ``AT_ONCE`` domains at a time."""
    chance = random.Random(seed)
    running: list[Iterator[tuple[str, str]]] = []
    made = sent = 0
    while sent < count:
        while len(running) < AT_ONCE:
            running.append(_of_a_domain(chance, clean=made % CLEAN_EVERY == 0))
            made += 1
        chosen = chance.randrange(AT_ONCE)
        event = next(running[chosen], None)
        if event is None:
            running.pop(chosen)
        else:
            sent += 1
            yield event


def _of_a_domain(chance: random.Random, *, clean: bool) -> Iterator[tuple[str, str]]:
    name = "".join(chance.choices(string.ascii_lowercase, k=14))
    domain = f"{name}.{chance.choice(ENDINGS)}"
    most = chance.randrange(MOST_EVENTS)
    every = 0 if clean else int(BOUNCE_AFTER * most)
    for number in range(most):
        yield domain, "bounced" if every and number % every == 0 else "delivered"
