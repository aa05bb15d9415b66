"""Gives every test run its own PostgreSQL and Valkey, real ones, on free ports.

Loaded by ``-p`` in pyproject.toml, before Django reads its settings. With ``DATABASE_URL`` and
``REDIS_URL`` in the environment nothing is started. Under pytest-xdist all workers share the
PostgreSQL (a database each) and get a Valkey each, since pub/sub channels ignore database numbers.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from demo import servers

# The data of a test run are worth nothing, so nothing waits for the disk.
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # Every test process is a client, and those about races open sixty connections at once.
    "max_connections": "600",
}
# A test reads what it has just written, so a commit is done when the standby shows it.
STREAMED = {
    **{name: FAST[name] for name in ("fsync", "full_page_writes", "max_connections")},
    "synchronous_standby_names": "*",
    "synchronous_commit": "remote_apply",
}

TEMPLATE = "quayside_template"


class TestServers:
    """The servers of one test process; ``stop`` ends exactly what ``start`` began."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="quayside-test-"))
        self.home.chmod(0o711)
        self.children: list[subprocess.Popen[bytes]] = []

    def start_postgres(self, settings: Mapping[str, str] = FAST) -> str:
        password = secrets.token_hex(8)
        servers.initialise_postgres(self.home / "postgres", password=password)
        return self._serve("postgres", password, settings)

    def start_scaled(self) -> dict[str, str]:
        """A primary and its standby with PgBouncer before each; settings to their values."""
        primary = self.start_postgres(STREAMED)
        servers.replicate_postgres(primary, self.home / "standby")
        standby = self._serve("standby", str(urlsplit(primary).password), STREAMED)
        return {
            "DATABASE_URL": self._proxy("a", primary),
            "DATABASE_REPLICA_URL": self._proxy("b", standby),
            "DATABASE_DIRECT_URL": primary,
        }

    def _serve(self, name: str, password: str, settings: Mapping[str, str]) -> str:
        data, port = self.home / name, servers.free_port()
        self._spawn(
            servers.postgres_command(data, port=port, settings=settings),
            cwd=data,
            **servers.run_as(servers.system_user()),
        )
        url = f"postgresql://{servers.POSTGRES_USER}:{password}@127.0.0.1:{port}/postgres"
        servers.wait_for_postgres(url)
        return url

    def _proxy(self, name: str, before: str) -> str:
        port = servers.free_port()
        # Sixty at once are sixty transactions here, of which none is to wait for a place.
        command = servers.pgbouncer_command(self.home / name, port=port, url=before, pool_size=100)
        self._spawn(command, **servers.run_as(servers.system_user()))
        url = before.replace(f":{urlsplit(before).port}/", f":{port}/")
        servers.wait_for_postgres(url)
        return url

    def start_valkey(self) -> str:
        data, port = self.home / "valkey", servers.free_port()
        data.mkdir()
        self._spawn(servers.valkey_command(data, port=port, durable=False), cwd=data)
        url = f"redis://127.0.0.1:{port}/0"
        servers.wait_for_valkey(url)
        return url

    def _spawn(self, command: list[str], **options: object) -> None:
        log = (self.home / "servers.log").open("ab")
        with log:
            self.children.append(
                subprocess.Popen(command, stdout=log, stderr=log, **options)  # type: ignore[call-overload]
            )

    def stop(self) -> None:
        for child in self.children:
            child.terminate()
        for child in self.children:
            try:
                child.wait(timeout=5)
            except subprocess.TimeoutExpired:
                child.kill()
        shutil.rmtree(self.home, ignore_errors=True)


def make_template(url: str, valkey_url: str) -> None:
    """Migrate one database, of which every worker's is a copy: that takes a tenth of the time."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {TEMPLATE}")
    address = urlsplit(url)._replace(path=f"/{TEMPLATE}").geturl()
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=Path(__file__).parent.parent,
        env={**os.environ, "DATABASE_URL": address, "REDIS_URL": valkey_url},
        check=True,
    )
    os.environ["QUAYSIDE_TEST_TEMPLATE"] = TEMPLATE


def addresses_of(database: str) -> dict[str, str]:
    """What another process needs in its environment to share a test's database, by its name."""
    names = ("DATABASE_URL", "DATABASE_REPLICA_URL", "DATABASE_DIRECT_URL")
    return {
        name: urlsplit(os.environ[name])._replace(path=f"/{database}").geturl()
        for name in names
        if name in os.environ
    }


def _prepare_environment() -> TestServers | None:
    os.environ.setdefault("QUAYSIDE_HOME", tempfile.gettempdir() + "/quayside-no-home")
    os.environ.update(
        QUAYSIDE_DEMO="1",
        QUAYSIDE_SOURCES="simulated",
        SECRET_KEY=secrets.token_hex(32),
        ALLOWED_HOSTS="testserver,localhost,127.0.0.1",
        DATABASE_POOL_SIZE="0",
        EMAIL_BACKEND="django.core.mail.backends.locmem.EmailBackend",
        LOG_LEVEL="WARNING",
        SIWE_DOMAIN="desk.example",
        SIWE_URI="https://desk.example/login",
        SIWE_CHAINS="1,11155111",
    )
    if "DATABASE_URL" in os.environ and "REDIS_URL" in os.environ and not _is_xdist_worker():
        return None
    # WhiteNoise warns when it is missing; tests of real pages collect into it.
    (Path(__file__).parent.parent / "staticfiles").mkdir(exist_ok=True)
    running = TestServers()
    if "DATABASE_URL" not in os.environ:
        if os.environ.get("QUAYSIDE_TEST_SERVERS") == "scaled":
            os.environ.update(running.start_scaled())
        else:
            os.environ["DATABASE_URL"] = running.start_postgres()
    os.environ["REDIS_URL"] = running.start_valkey()
    if _has_workers() and os.environ.get("QUAYSIDE_TEST_SERVERS") != "scaled":
        make_template(os.environ["DATABASE_URL"], os.environ["REDIS_URL"])
    return running


def _has_workers() -> bool:
    return not _is_xdist_worker() and any(
        argument.startswith(("-n", "--numprocesses")) for argument in sys.argv[1:]
    )


def _is_xdist_worker() -> bool:
    return "PYTEST_XDIST_WORKER" in os.environ


_servers = _prepare_environment()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    if _servers is not None:
        _servers.stop()
