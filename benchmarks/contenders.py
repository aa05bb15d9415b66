"""The servers that are compared: Quayside, Socket.IO with its Redis adapter, and plain ``ws``."""

from __future__ import annotations

import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import build
from benchmarks.children import CLIENT_CORE, SERVER_CORE, WORK, Child, free_port, wait_for_port
from demo import servers

# All processes of a run share it: it signs the sessions that they exchange.
SECRET_KEY = secrets.token_hex(32)


@dataclass(frozen=True)
class Contender:
    """A server that listens on a port and hears of changes through Valkey."""

    name: str
    form: str  # what its messages look like in Valkey: "hub" or "socketio"
    protocol: str  # what the load client speaks to it
    path: str
    script: str = ""  # of a Node peer
    window_ms: int = 0
    extra: dict[str, str] = field(default_factory=dict)

    def command(self, port: int, valkey: str) -> list[str]:
        if not self.script:
            return [sys.executable, "-m", "config.serve"]
        script = str(build.peers() / self.script)
        return ["node", script, str(port), valkey, str(self.window_ms)]

    def start(self, *, port: int, valkey: str, database: str) -> Child:
        """Its process on the server's core. Raises ``CannotRun`` when it cannot start."""
        env = {} if self.script else environment(port=port, valkey=valkey, database=database)
        child = Child(
            self.command(port, valkey),
            core=SERVER_CORE,
            env={**env, **self.extra},
            name=self.name.replace(" ", "-"),
        )
        try:
            wait_for_port(child, port)
        except BaseException:
            child.stop()
            raise
        return child


def quayside(window: float = 0.0, name: str = "quayside") -> Contender:
    return Contender(name, "hub", "live", "/ws/live", extra={"LIVE_WINDOW_SECONDS": str(window)})


SOCKETIO = Contender(
    "socket.io + adapter",
    "socketio",
    "socketio",
    "/socket.io/?EIO=4&transport=websocket",
    "socketio.js",
)
PLAIN_WS = Contender("plain ws", "hub", "plain", "/", "plain.js")


def environment(*, port: int, valkey: str, database: str) -> dict[str, str]:
    """What a Quayside process needs: its servers, and no limit that one address would meet."""
    return {
        "QUAYSIDE_DEMO": "1",
        "QUAYSIDE_HOME": tempfile.gettempdir() + "/quayside-no-home",
        "QUAYSIDE_SOURCES": "simulated",
        "SECRET_KEY": SECRET_KEY,
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "DATABASE_URL": database,
        "REDIS_URL": valkey,
        "PORT": str(port),
        "LIVE_MAX_CONNECTIONS_PER_ADDRESS": "1000000",
        "STATIC_ROOT": str(WORK / "static"),
        "LOG_LEVEL": "WARNING",
    }


@contextmanager
def valkey() -> Iterator[str]:
    """A Valkey of its own for one row, on the client's core; gives its address."""
    home, port = Path(tempfile.mkdtemp(prefix="quayside-bench-")), free_port()
    command = servers.valkey_command(home, port=port, durable=False)
    try:
        with Child(command, core=CLIENT_CORE, cwd=home, name="valkey") as child:
            wait_for_port(child, port)
            yield f"redis://127.0.0.1:{port}/0"
    finally:
        shutil.rmtree(home, ignore_errors=True)
