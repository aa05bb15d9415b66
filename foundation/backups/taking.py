"""Taking a copy. Nobody waits for it, and it waits for nobody."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import psycopg
from django.conf import settings
from psycopg import sql

from foundation.backups import manifest, server
from foundation.errors import Unavailable

FORMAT: Final = 1
DUMP: Final = "database.dump"
MANIFEST: Final = "manifest.json"
# The tally of when one was last made, and how their folders are called.
MADE_AT: Final = "backup_made_at"
NAMED: Final = "[0-9]" * 8 + "T" + "[0-9]" * 6 + "Z"
# Tables come and go with the days; one may go between being listed and being held.
ATTEMPTS: Final = 5
LOCK: Final = sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE")


class NotTaken(Unavailable):
    """Nothing was left behind."""

    code = "backup_not_taken"


def take(folder: Path, now: datetime) -> Path:
    """Copy the database into a new folder below ``folder``, and return it. Only its owner reads it.

    It appears whole or not at all. Raises ``NotTaken``, ``NoSuchProgram``,
    ``psycopg.OperationalError`` or ``OSError``.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    done = folder / f"{now:%Y%m%dT%H%M%SZ}"
    draft = done.with_name(f".{done.name}.partial")
    draft.mkdir(mode=0o700)
    try:
        _fill(draft, now)
        draft.rename(done)
    except BaseException:
        shutil.rmtree(draft)
        raise
    return done


def forget(folder: Path, keep: int) -> list[Path]:
    """Delete all backups of ``folder`` but the newest ``keep``, at least one, and return them."""
    older = sorted(folder.glob(NAMED), reverse=True)[max(keep, 1) :]
    for backup in older:
        shutil.rmtree(backup)
    return older


def _fill(draft: Path, now: datetime) -> None:
    with server.connect() as connection, _still(connection) as snapshot:
        version = connection.info.server_version
        dumping = _start_dump(draft / DUMP, snapshot, version)
        try:
            # Both read the same moment, side by side.
            found = manifest.contents(connection)
            _, complaints = dumping.communicate()
        finally:
            if dumping.poll() is None:
                dumping.kill()
                dumping.wait()
    if dumping.returncode:
        raise NotTaken(f"pg_dump failed: {complaints.decode(errors='replace').strip()}")
    _write(draft / MANIFEST, _described(draft / DUMP, found, version, now))


@contextmanager
def _still(connection: psycopg.Connection[Any]) -> Iterator[str]:
    """One moment of the whole database, every table held so that none is dropped meanwhile.

    Yields the name under which other connections may read that moment.
    """
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    for _ in range(ATTEMPTS):
        try:
            _hold_tables(connection)
            break
        except psycopg.errors.UndefinedTable:
            connection.rollback()
    else:
        raise NotTaken("Tables came and went all the time. Try again.")
    (snapshot,) = connection.execute("SELECT pg_export_snapshot()").fetchone() or ("",)
    yield snapshot


def _hold_tables(connection: psycopg.Connection[Any]) -> None:
    names = [sql.Identifier(schema, table) for schema, table, _ in manifest.tables(connection)]
    if names:
        connection.execute(LOCK.format(sql.SQL(", ").join(names)))


def _start_dump(target: Path, snapshot: str, version: int) -> subprocess.Popen[bytes]:
    command, secrets = server.command("pg_dump", version)
    target.touch(mode=0o600)
    flags = ["--format=custom", f"--snapshot={snapshot}", f"--file={target}", "--no-password"]
    return subprocess.Popen(  # noqa: S603  # every argument is ours or the administrator's
        [command[0], *flags, *command[1:]], env={**os.environ, **secrets}, stderr=subprocess.PIPE
    )


def _described(
    dump: Path, found: dict[str, manifest.Content], version: int, now: datetime
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "made_at": now.isoformat(),
        "version": settings.VERSION,
        "server_version": version,
        "dump": {"bytes": dump.stat().st_size, "sha256": digest(dump)},
        "tables": {name: content.as_dict() for name, content in found.items()},
    }


def _write(path: Path, described: dict[str, Any]) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps(described, indent=1) + "\n")


def digest(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
