"""The local chain's node: anvil from npm, found, installed and run as an ordinary child process.

``python -m demo.chain_node DIRECTORY PORT`` replaces itself with the node, which goes on where its
last state in DIRECTORY was written, a few seconds before it ended at worst.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from demo import servers
from foundation.evm.node import Endpoint, Node, NodeError

HERE: Final = Path(__file__).resolve().parent / "chain"
ANVIL: Final = HERE / "node_modules" / "@foundry-rs" / "anvil-linux-amd64" / "bin" / "anvil"
CHAIN_ID: Final = 31337
BLOCK_SECONDS: Final = 2
# The demo wallet has the keys of the first ones; the others trade among each other.
ACCOUNTS: Final = 20
START_DEADLINE: Final = 20.0
INSTALL_DEADLINE: Final = 180.0
MULTICALL: Final = "0xcA11bde05977b3631167028862bE2a173976CA11"

STATE: Final = "state.json"
# The state of the last start that could be read: a node killed while it wrote leaves half a file.
SPARE: Final = "state.last.json"


def find() -> str | None:
    """The node on the path, else npm's where it is installed."""
    return shutil.which("anvil") or (str(ANVIL) if ANVIL.exists() else None)


def install() -> str:
    """Install the node from npm if need be. Returns what is in the way, empty if nothing is."""
    # Processes that run side by side share one installation.
    with (HERE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if find() is not None:
            return ""
        if shutil.which("npm") is None:
            return "needs npm: install Node.js 20 or newer, or put Foundry's anvil on the path"
        try:
            npm_ci()
        except (subprocess.SubprocessError, OSError) as problem:
            return f"npm could not install it ({type(problem).__name__})"
    return "" if find() is not None else "needs Foundry's anvil on the path: npm has none for here"


def npm_ci() -> None:
    """Make ``node_modules`` what the lock file says."""
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(command, cwd=HERE, check=True, timeout=INSTALL_DEADLINE)


def command(
    anvil: str, folder: Path, port: int, *, block_seconds: int = BLOCK_SECONDS
) -> list[str]:
    """Zero ``block_seconds``: a block for each transaction."""
    return [
        *(anvil, "--silent", "--host", "127.0.0.1", "--port", str(port)),
        *("--chain-id", str(CHAIN_ID), "--accounts", str(ACCOUNTS)),
        *(("--block-time", str(block_seconds)) if block_seconds else ()),
        *("--state", str(folder / STATE), "--state-interval", "5"),
        # Half an hour of old states in memory and an hour of transactions: enough for a demo, and
        # the file stays small.
        *("--prune-history", "1000", "--transaction-block-keeper", "2000"),
        *("--cache-path", str(folder / "cache")),
    ]


@contextmanager
def running(anvil: str, folder: Path) -> Iterator[Node]:
    """A node that makes a block for each transaction and writes its state at the end."""
    port = servers.free_port()
    with subprocess.Popen(command(anvil, folder, port, block_seconds=0)) as process:
        try:
            node = Node(Endpoint("local", f"http://127.0.0.1:{port}"))
            wait_for(node)
            yield node
            node.close()
        finally:
            process.terminate()


def wait_for(node: Node) -> None:
    """Return when ``node`` answers. Raises ``NodeError`` after the deadline."""
    deadline = time.monotonic() + START_DEADLINE
    while True:
        try:
            node.call("eth_chainId")
        except NodeError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def mend(folder: Path) -> None:
    """Leave a state that can be read and has one beginning, and keep a copy of it."""
    state, spare = folder / STATE, folder / SPARE
    try:
        content = json.loads(state.read_bytes())
    except (OSError, ValueError):
        if spare.exists():
            shutil.copyfile(spare, state)
        return
    content["blocks"] = _with_one_genesis(content["blocks"])
    draft = folder / f".{STATE}.new"
    draft.write_text(json.dumps(content))
    shutil.copyfile(draft, spare)
    draft.replace(state)


def _with_one_genesis(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The node makes a first block at every start, writes all of them, and takes any for its own
    when it reads them: only the oldest is what the others stand on."""
    firsts = [block for block in blocks if int(block["header"]["number"], 16) == 0]
    oldest = min(firsts, key=lambda block: int(block["header"]["timestamp"], 16))
    return [block for block in blocks if block is oldest or block not in firsts]


def main(directory: str, port: str) -> None:
    folder = Path(directory).resolve()
    anvil = find()
    if anvil is None:
        sys.exit("anvil is not installed")
    mend(folder)
    parts = command(anvil, folder, int(port))
    os.execv(parts[0], parts)  # noqa: S606  # no shell is wanted


if __name__ == "__main__":
    main(*sys.argv[1:])
