"""The folder `.quayside`: everything that `make up` makes and nothing else.

========================  =====================================================================
`env`                     generated settings: secrets, ports, addresses (read by config.settings)
`credentials.json`        the demo users' passwords
`state.json`              live addresses and process ids, only while `make up` runs
`lock`                    held by the supervisor as long as it lives
`postgres/`, `valkey/`    the data of the embedded servers
`chain/`                  the local chain's state, its accounts and tokens
========================  =====================================================================
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BASE_DIR = Path(__file__).resolve().parent.parent


class DemoError(Exception):
    """Something a person has to settle; the message is one line that says what and how."""


@dataclass(frozen=True)
class Home:
    root: Path

    @classmethod
    def from_environment(cls) -> Home:
        """``QUAYSIDE_HOME``, or `.quayside` in the repository."""
        return cls(Path(os.environ.get("QUAYSIDE_HOME") or BASE_DIR / ".quayside").resolve())

    @property
    def env_file(self) -> Path:
        return self.root / "env"

    @property
    def state_file(self) -> Path:
        return self.root / "state.json"

    @property
    def credentials_file(self) -> Path:
        return self.root / "credentials.json"

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def valkey(self) -> Path:
        return self.root / "valkey"

    @property
    def chain(self) -> Path:
        return self.root / "chain"

    def create(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)

    def read_env(self) -> dict[str, str]:
        if not self.env_file.exists():
            return {}
        lines = self.env_file.read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")

    def write_env(self, values: Mapping[str, str]) -> None:
        head = "# Made by `make up`; `make reset` removes it. The environment wins over it.\n"
        write_private(self.env_file, head + "".join(f"{k}={v}\n" for k, v in values.items()))

    def read_json(self, path: Path) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return content

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder. Raises ``DemoError`` while another supervisor does.

        The kernel lets go when the holder dies, however it dies.
        """
        self.create()
        with (self.root / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as held:
                web = self.read_json(self.state_file).get("web", "just starting")
                raise DemoError(
                    f"Quayside already runs from this folder ({web}): stop it first."
                ) from held
            yield


def write_private(path: Path, content: str) -> None:
    """Write ``content`` readable by its owner only; a reader sees the old file or the new one."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
    draft.replace(path)
