"""The stream of the reference challenge: domains that bounce a little, and some that never do."""

from __future__ import annotations

import random
import string
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

# Of so many domains the first two have no bounces, as one in 25: a large one, then a small one.
CLEAN_TWO_OF: Final = 50
# Deliveries of the large one at least: whoever counts that many without a bounce says catch-all.
LARGE: Final = 1_000
# A domain has fewer events than this.
MOST_EVENTS: Final = 2_500
# Domains whose events come mixed, as from as many senders: few enough that within 10,000 events
# the large one without bounces comes to its thousand.
AT_ONCE: Final = 8
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

    def expected(self, domain: str) -> tuple[int, int, str]:
        """Deliveries, bounces, verdict, by a rule that is written out here and nowhere shared."""
        delivered, bounced = self.delivered[domain], self.bounced[domain]
        if bounced:
            return delivered, bounced, "not catch-all"
        return delivered, bounced, "catch-all" if delivered >= 1000 else "unknown"


def events(count: int, *, seed: int | None = None) -> Iterator[tuple[str, str]]:
    """``count`` pairs of domain and kind, of ``AT_ONCE`` domains at a time."""
    chance = random.Random(seed)
    running: list[Iterator[tuple[str, str]]] = []
    made = sent = 0
    while sent < count:
        while len(running) < AT_ONCE:
            running.append(_of_a_domain(chance, place=made % CLEAN_TWO_OF))
            made += 1
        chosen = chance.randrange(AT_ONCE)
        event = next(running[chosen], None)
        if event is None:
            running.pop(chosen)
        else:
            sent += 1
            yield event


def _of_a_domain(chance: random.Random, *, place: int) -> Iterator[tuple[str, str]]:
    name = "".join(chance.choices(string.ascii_lowercase, k=14))
    domain = f"{name}.{chance.choice(ENDINGS)}"
    sizes = {0: (LARGE, MOST_EVENTS), 1: (1, LARGE)}.get(place)
    most = chance.randrange(*(sizes or (MOST_EVENTS,)))
    every = 0 if sizes else int(BOUNCE_AFTER * most)
    for number in range(most):
        yield domain, "bounced" if every and number % every == 0 else "delivered"
