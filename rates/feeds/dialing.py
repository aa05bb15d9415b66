"""When to dial again: quickly after one hang-up, seldom in a long outage, never in a storm."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable


class Dialling:
    """Jittered back-off within a budget of dials. Asks nobody and never sleeps itself.

    The first dial waits for nothing and two quick attempts follow a loss; after that the longest
    wait doubles up to ``cap``: eight seconds, so that prices are back within ten of the exchange's
    return and an outage of hours stays within the budget (decision 0022). A connection that lived
    for ``stable`` seconds starts it over. No more than ``budget`` dials begin in any ``window``
    seconds: exchanges ban addresses that do.
    """

    def __init__(
        self,
        *,
        base: float = 0.5,
        cap: float = 8.0,
        quick: int = 2,
        stable: float = 30.0,
        budget: int = 100,
        window: float = 600.0,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.base, self.cap, self.quick, self.stable = base, cap, quick, stable
        self.budget, self.window = budget, window
        self._clock, self._jitter = clock, jitter
        self._losses = 0
        self._dials: deque[float] = deque(maxlen=budget)
        self._connected_at: float | None = None

    def wait(self) -> float:
        """Seconds to wait before the next dial."""
        return max(self._backoff(), self._budget())

    def dialled(self) -> None:
        """A dial begins now."""
        self._dials.append(self._clock())

    def connected(self) -> None:
        self._connected_at = self._clock()

    def lost(self, *, unwelcome: bool = False) -> None:
        """The dial failed or the connection ended. ``unwelcome``: we were told to slow down."""
        lived = 0.0 if self._connected_at is None else self._clock() - self._connected_at
        self._connected_at = None
        self._losses = 1 if lived >= self.stable else self._losses + 1
        if unwelcome:
            self._losses = max(self._losses, self.quick + 2)

    def _backoff(self) -> float:
        if self._losses == 0:
            return 0.0
        # The exponent is bounded: after a month of failures 2**n would not be a float any more.
        doublings = min(max(self._losses - self.quick, 0), 32)
        longest = min(self.cap, self.base * 2**doublings)
        return self._jitter(longest * 4 / 5, longest)

    def _budget(self) -> float:
        if len(self._dials) < self.budget:
            return 0.0
        return max(0.0, self._dials[0] + self.window - self._clock())
