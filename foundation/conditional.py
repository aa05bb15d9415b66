"""Answering "you have it already": entity tags and ``If-None-Match``."""

from __future__ import annotations

from typing import Final

# For what changes many times a second: a cache must ask every time, and the entity tag answers.
ALWAYS_ASK: Final = "no-cache"


def matches(if_none_match: str | None, etag: str) -> bool:
    """Whether the client holds ``etag`` (quoted). Weak comparison, as RFC 9110 wants for GET."""
    if not if_none_match:
        return False
    held = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in held or etag.removeprefix("W/") in held
