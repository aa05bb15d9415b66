"""The push rows: which crowds, at which rates, against which contenders."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from benchmarks.children import CannotRun
from benchmarks.contenders import PLAIN_WS, SOCKETIO, Contender, quayside
from benchmarks.load import Crowd
from benchmarks.push import Row, Scenario, median_of, run

EVERYONE = (quayside(), SOCKETIO, PLAIN_WS)
ALL_KEYS = 50
MANY = 10_000
HERD = 5_000
Note = Callable[[str], None]


def measure(
    scenarios: Iterable[Scenario],
    contenders: Iterable[Contender],
    *,
    runs: int,
    database: str,
    note: Note,
) -> list[Row]:
    """Medians per scenario and contender; contenders take turns, so that drift hits all alike."""
    contenders, found = list(contenders), []
    for scenario in scenarios:
        seen: dict[str, list[Row]] = {contender.name: [] for contender in contenders}
        for number in range(runs):
            for contender in contenders:
                label = f"{scenario.title}, {scenario.crowd.clients} clients, {contender.name}"
                print(f"  {label}, run {number + 1} of {runs}", flush=True)
                try:
                    seen[contender.name].append(run(contender, scenario, database=database))
                except CannotRun as problem:
                    note(f"{label}: not run. {problem}")
        found += [median_of(rows) for rows in seen.values() if rows]
    return found


def main_load(clients: Iterable[int], seconds: float) -> list[Scenario]:
    return [Scenario("50 ticks/s, 10 of 50 pairs", Crowd(count), seconds) for count in clients]


def slow_readers(seconds: float) -> list[Scenario]:
    """The same crowd twice: everybody reads, and 5 % stop."""
    everybody = Scenario(
        "all read", Crowd(200, per_client=ALL_KEYS), seconds=seconds, ticks_per_second=100
    )
    some = replace(everybody.crowd, slow=10)
    return [everybody, replace(everybody, title="5 % stop reading", crowd=some, pause_slow=True)]


def saturation(seconds: float) -> list[Scenario]:
    """More than one process can send: what it does send then is what it sustains."""
    return [Scenario("as fast as it goes", Crowd(1000), seconds, ticks_per_second=400)]


def herd(seconds: float) -> list[Scenario]:
    return [Scenario("herd, all at once", Crowd(HERD, in_flight=HERD), seconds)]


def many(seconds: float) -> list[Scenario]:
    return [Scenario("many on one process", Crowd(MANY, in_flight=500), seconds)]
