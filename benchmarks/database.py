"""A PostgreSQL of the run's own, migrated."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.children import CLIENT_CORE, ROOT, CannotRun, Child, free_port, wait_for_port
from benchmarks.contenders import environment
from demo import servers


@contextmanager
def postgres(core: int | None = CLIENT_CORE) -> Iterator[str]:
    """Its address. Durable as in production: an edit waits for its commit. Raises ``CannotRun``."""
    home, port, password = Path(tempfile.mkdtemp(prefix="quayside-bench-")), free_port(), _secret()
    home.chmod(0o711)
    data = home / "postgres"
    servers.initialise_postgres(data, password=password)
    command = servers.postgres_command(data, port=port)
    owner: dict[str, Any] = servers.run_as(servers.system_user())
    try:
        with Child(command, core=core, cwd=data, name="postgres", **owner) as child:
            wait_for_port(child, port)
            url = f"postgresql://{servers.POSTGRES_USER}:{password}@127.0.0.1:{port}/postgres"
            manage(url, "migrate", "--verbosity", "0")
            yield url
    finally:
        shutil.rmtree(home, ignore_errors=True)


def manage(database: str, *arguments: str, valkey: str = "redis://127.0.0.1:1/0") -> str:
    """Run a management command and return what it printed. Raises ``CannotRun`` when it fails."""
    return python(database, "manage.py", *arguments, valkey=valkey)


def python(database: str, *arguments: str, valkey: str = "redis://127.0.0.1:1/0") -> str:
    env = environment(port=0, valkey=valkey, database=database)
    result = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise CannotRun(f"{' '.join(arguments)} failed: {result.stderr.strip()[-400:]}")
    return result.stdout


def _secret() -> str:
    return secrets.token_hex(8)
