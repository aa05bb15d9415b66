"""A desk for the length of a show, and patience with it."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from demo.desk import Desk
from demo.home import DemoError

Found = TypeVar("Found")
PATIENCE = 180.0


@contextmanager
def running_desk(**settings: str) -> Iterator[Desk]:
    """The whole desk on free ports, in a folder that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="quayside-show-"))
    # PostgreSQL has a user of its own where we are root.
    folder.chmod(0o711)
    desk = Desk(folder / "home", **settings)
    say("starting the desk")
    try:
        desk.start()
        say(f"it answers at {desk.state()['web']}")
        yield desk
        desk.stop()
    finally:
        desk.kill()
        shutil.rmtree(folder, ignore_errors=True)


def until(look: Callable[[], Found | None], what: str) -> Found:
    """What ``look`` finds, asked until it finds something. Raises ``DemoError`` after a time."""
    deadline = time.monotonic() + PATIENCE
    while True:
        if (found := look()) is not None:
            return found
        if time.monotonic() > deadline:
            raise DemoError(f"It did not happen in {PATIENCE:.0f} s: {what}.")
        time.sleep(0.2)


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def show(act: Callable[[], None]) -> None:
    """Run a show as a program: what goes wrong is one line, and 1."""
    try:
        act()
    except DemoError as problem:
        print(problem, file=sys.stderr)
        sys.exit(1)
