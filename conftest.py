"""Fixtures that every app's tests may use."""

from __future__ import annotations

import pytest

from foundation import valkey


@pytest.fixture(autouse=True)
def _empty_valkey() -> None:
    """Each test starts with an empty Valkey, as it starts with an empty database."""
    valkey.client().flushall()
