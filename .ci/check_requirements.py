"""Fails when requirements*.txt were not compiled from requirements*.in. Needs no network.

uv writes under every pin who wants it: the pins that a file itself wants must be exactly its lines.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[.*\])?==([^ ;\\]+)", re.MULTILINE)


def chosen(source: Path) -> dict[str, Requirement]:
    lines = (line.split("#")[0].strip() for line in source.read_text().splitlines())
    found = [Requirement(line) for line in lines if line and not line.startswith("-")]
    return {canonicalize_name(item.name): item for item in found}


def compiled(target: Path, source_name: str) -> dict[str, str]:
    """Name -> version of the pins that ``source_name`` itself asks for."""
    pins: dict[str, str] = {}
    for block in re.split(r"\n(?=[A-Za-z0-9])", target.read_text()):
        pin = PIN.match(block)
        if pin and re.search(rf"-r {re.escape(source_name)}$", block, re.MULTILINE):
            pins[canonicalize_name(pin[1])] = pin[2]
    return pins


def problems(source: Path, target: Path) -> list[str]:
    wanted, pinned = chosen(source), compiled(target, source.name)
    found = [f"{name} is in {source.name} only" for name in wanted.keys() - pinned.keys()]
    found += [f"{name} is in {target.name} only" for name in pinned.keys() - wanted.keys()]
    for name in wanted.keys() & pinned.keys():
        if not wanted[name].specifier.contains(pinned[name], prereleases=True):
            found.append(f"{name} {pinned[name]} is not {wanted[name].specifier}")
    if "--index-url" in target.read_text():
        found.append(f"{target.name} names an index")
    return found


def main() -> int:
    found = [
        problem
        for name in ("requirements", "requirements-dev")
        for problem in problems(ROOT / f"{name}.in", ROOT / f"{name}.txt")
    ]
    for problem in sorted(found):
        print(f"{problem}: run `make requirements`", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
