"""What follows once a transaction has ended well, and may fail without harm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import transaction


def after_commit(call: Callable[..., Any], /, *given: Any, **facts: Any) -> None:
    """Call it with these arguments when the transaction is committed. What it raises is logged.

    Django names what failed by its ``__qualname__``. A partial has none, and would fail again where
    its failure is logged: for whoever asked, after all was stored.
    """

    def work() -> None:
        call(*given, **facts)

    work.__qualname__ = getattr(call, "__qualname__", repr(call))
    transaction.on_commit(work, robust=True)
