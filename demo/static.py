"""Collects static files only when one of them has changed: compressing them takes seconds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from django.contrib.staticfiles import finders
from django.core.management import call_command

from demo.home import Home


def collect_if_changed(home: Home, say: Callable[[str], None]) -> bool:
    """Bring the collected files up to date and return whether that took any work."""
    stamp = home.root / "static-stamp"
    wanted = _fingerprint()
    if stamp.exists() and stamp.read_text() == wanted:
        return False
    say("collecting and compressing static files")
    call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    stamp.write_text(wanted)
    return True


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for finder in finders.get_finders():
        for path, storage in finder.list([]):
            info = (storage.path(path), storage.size(path), storage.get_modified_time(path))
            digest.update(repr(info).encode())
    return digest.hexdigest()
