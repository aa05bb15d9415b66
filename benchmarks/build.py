"""Compiles the load clients and installs the Node peers, once, under ``.quayside/bench``."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path

from benchmarks.children import WORK, CannotRun

HERE = Path(__file__).resolve().parent


@functools.cache
def load_client(name: str = "loadclient") -> Path:
    """The compiled ``name.c``. Raises ``CannotRun`` without a C compiler."""
    source, binary = HERE / f"{name}.c", WORK / name
    if binary.exists() and binary.stat().st_mtime > source.stat().st_mtime:
        return binary
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise CannotRun(
            "The load client is written in C and there is no compiler: install one, "
            "for example with `apt-get install gcc libc6-dev`."
        )
    WORK.mkdir(parents=True, exist_ok=True)
    subprocess.run([compiler, "-O2", "-o", str(binary), str(source)], check=True)
    return binary


@functools.cache
def peers() -> Path:
    """The folder of the Node servers with what they need. Raises ``CannotRun`` without Node."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise CannotRun("Node and npm are not installed, so there is nothing to compare with.")
    home, source = WORK / "peers", HERE / "peers"
    shutil.copytree(source, home, dirs_exist_ok=True)
    lock = (source / "package-lock.json").read_text()
    done = home / ".installed"
    if not done.exists() or done.read_text() != lock:
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        result = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
        if result.returncode:
            raise CannotRun(f"npm ci failed: {result.stderr.strip()[-400:]}")
        done.write_text(lock)
    return home
