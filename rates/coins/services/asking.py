"""Ask several sources at once, so that none waits for another. No database is touched here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import datetime
from typing import Final, NamedTuple

import structlog

from rates.coins.sources.listing import Adapter, Fetched, Kind, SourceFailed
from rates.models import CoinSource

logger = structlog.get_logger(__name__)

# Seconds for which answers are gathered, so that those of one moment are merged once.
TOGETHER: Final = 2.0


class Answered(NamedTuple):
    """What a source said, and when it had said it."""

    source: CoinSource
    answer: Fetched | SourceFailed
    at: datetime


def ask_all(
    asked: Sequence[tuple[CoinSource, Adapter]], clock: Callable[[], datetime]
) -> Iterator[list[Answered]]:
    """Who has answered since the last batch; a slow source holds none of the others back."""
    if not asked:
        return
    with ThreadPoolExecutor(max_workers=len(asked)) as pool:
        waiting = {pool.submit(_ask, source, adapter, clock) for source, adapter in asked}
        while waiting:
            done, waiting = wait(waiting, timeout=TOGETHER)
            if done:
                yield [future.result() for future in done]


@contextmanager
def failing_plainly(name: str) -> Iterator[None]:
    """Whatever goes wrong with a source's answer is a failure of that source, and of no other."""
    try:
        yield
    except SourceFailed:
        raise
    except Exception as problem:
        logger.exception("coin source unreadable", source=name)
        raise SourceFailed(Kind.REFUSED, f"unreadable: {type(problem).__name__}") from problem


def _ask(source: CoinSource, adapter: Adapter, clock: Callable[[], datetime]) -> Answered:
    try:
        with failing_plainly(source.name):
            answer: Fetched | SourceFailed = adapter.fetch(source.rows)
    except SourceFailed as problem:
        answer = problem
    return Answered(source, answer, clock())
