"""Fixtures that every app's tests may use."""

from __future__ import annotations

import pytest
from pytest_django.fixtures import Settings

from foundation import valkey
from rates.coins.services import board as coins


@pytest.fixture(autouse=True)
def _empty_valkey() -> None:
    """Each test starts with an empty Valkey, as it starts with an empty database."""
    valkey.client().flushall()
    # What this process remembers of the coins of an earlier test is gone as well.
    coins.memory.forget()


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Settings) -> None:
    """Real password hashing is slow on purpose; no test is about its strength."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _plain_static_names(settings: Settings) -> None:
    """Hashed names need a collected manifest; tests name files as they lie in static/."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
