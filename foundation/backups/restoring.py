"""Putting a copy back: all of it or nothing, and never over something by mistake."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import structlog
from redis.exceptions import RedisError

from foundation import valkey
from foundation.backups import manifest, server
from foundation.backups.manifest import Content
from foundation.backups.taking import DUMP, FORMAT, MANIFEST, digest
from foundation.errors import Conflict, InvalidInput, Unavailable

logger = structlog.get_logger(__name__)

IN_USE = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
EMPTY = "DROP SCHEMA public CASCADE; CREATE SCHEMA public;"


class NotABackup(InvalidInput):
    """The folder holds none, or one that was damaged or changed."""

    code = "not_a_backup"


class DatabaseNotEmpty(Conflict):
    code = "database_not_empty"


class DatabaseInUse(Conflict):
    code = "database_in_use"


class NotRestored(Unavailable):
    """The database is as it was before."""

    code = "not_restored"


class Different(Unavailable):
    """The copy was put back, and what stands there now is not what was copied."""

    code = "backup_differs"


@dataclass(frozen=True, slots=True)
class Restored:
    tables: int
    rows: int
    # Whether what Valkey remembered of the old database is gone.
    forgotten: bool


def restore(backup: Path, *, replace: bool = False) -> Restored:
    """Put ``backup`` into the database, compare every table, and empty Valkey, which only copies.

    Raises ``NotABackup``, ``DatabaseNotEmpty`` unless ``replace``, ``DatabaseInUse``,
    ``NotRestored``, ``Different``, ``NoSuchProgram`` or ``psycopg.OperationalError``.
    """
    wanted = read(backup)
    with server.connect() as connection:
        version = connection.info.server_version
        _check_target(connection, replace=replace)
    _run(backup / DUMP, version, replace=replace)
    with server.connect() as connection:
        found = manifest.contents(connection)
        wrong = manifest.differences(wanted, found) + manifest.lagging_sequences(connection)
        connection.commit()
        # What the planner knows of the tables is not part of a copy.
        connection.autocommit = True
        connection.execute("ANALYZE")
    if wrong:
        raise Different("; ".join(wrong))
    return Restored(
        tables=len(found),
        rows=sum(content.rows for content in found.values()),
        forgotten=_forget(),
    )


def read(backup: Path) -> dict[str, Content]:
    """The tables that ``backup`` promises, having looked that its dump is the one that was made."""
    try:
        described = json.loads((backup / MANIFEST).read_text())
        if described["format"] != FORMAT:
            raise NotABackup(f"{backup} has format {described['format']}, not {FORMAT}.")
        if digest(backup / DUMP) != described["dump"]["sha256"]:
            raise NotABackup(f"{backup / DUMP} is not the file that was made: it is damaged.")
        return {name: Content(**content) for name, content in described["tables"].items()}
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise NotABackup(f"{backup} is no backup: {problem!r}") from problem


def _check_target(connection: psycopg.Connection[Any], *, replace: bool) -> None:
    if manifest.tables(connection) and not replace:
        raise DatabaseNotEmpty("The database holds tables. Say --replace to lose them.")
    (others,) = connection.execute(IN_USE).fetchone() or (0,)
    if others:
        raise DatabaseInUse(f"{others} other connections are open. Stop every process first.")


def _run(dump: Path, version: int, *, replace: bool) -> None:
    """The dump as SQL into one transaction, which begins by emptying the database if need be."""
    arguments, secrets = server.command("psql", version)
    reading = _start(
        [
            str(server.find("pg_restore", version)),
            *("--no-owner", "--no-privileges", "--exit-on-error", "--file=-", str(dump)),
        ],
        {},
    )
    flags = ["--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1"]
    writing = _start([arguments[0], *flags, *arguments[1:]], secrets)
    with reading, writing:
        complaints = _pour(reading, writing, begin=f"BEGIN;\n{EMPTY if replace else ''}\n")
    if reading.returncode or writing.returncode:
        raise NotRestored(f"Nothing was changed: {complaints.decode(errors='replace').strip()}")


def _start(command: list[str], secrets: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603  # every argument is ours or the administrator's
        command,
        env={**os.environ, **secrets},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def _pour(
    reading: subprocess.Popen[bytes], writing: subprocess.Popen[bytes], *, begin: str
) -> bytes:
    """What ``reading`` writes, into ``writing``; return what both complain of.

    psql would take the end of a pipe for the end of the script. Only once pg_restore says that it
    wrote all of it, the line that commits follows.
    """
    assert reading.stdout is not None
    assert reading.stderr is not None
    assert writing.stdin is not None
    unread = b""
    try:
        writing.stdin.write(begin.encode())
        while block := reading.stdout.read(1 << 20):
            writing.stdin.write(block)
        unread = reading.stderr.read()
        if reading.wait() == 0:
            writing.stdin.write(b"\nCOMMIT;\n")
    except BrokenPipeError:
        # psql has said why, and left.
        reading.kill()
    return unread + writing.communicate()[1]


def _forget() -> bool:
    try:
        valkey.client().flushdb()
    except RedisError as problem:
        logger.warning("valkey not emptied", error=str(problem))
        return False
    return True
