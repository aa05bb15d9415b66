"""``python -m demo.reset``: removes everything that `make up` made, unless it is running."""

from __future__ import annotations

import shutil
import sys

from demo import leftovers
from demo.home import DemoError, Home


def reset(home: Home) -> None:
    """Raises ``DemoError`` while a supervisor holds the folder."""
    with home.lock():
        leftovers.end(home)
        shutil.rmtree(home.root)


def main() -> int:
    home = Home.from_environment()
    if not home.root.exists():
        print(f"{home.root} is not there: nothing to remove.")
        return 0
    try:
        reset(home)
    except DemoError as problem:
        print(problem, file=sys.stderr)
        return 1
    print(f"Removed {home.root}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
