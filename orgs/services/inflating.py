"""Compressed bodies, inflated no further than is allowed: a bomb is stopped while it is read."""

from __future__ import annotations

import zlib

from foundation.errors import InvalidInput, TooLarge

# Tells zlib to expect gzip's own header.
GZIP = 16 + zlib.MAX_WBITS


def inflate(packed: bytes, *, limit: int) -> bytes:
    """What a gzip body (of one or more members) holds.

    Raises ``TooLarge`` beyond ``limit`` bytes, and ``InvalidInput`` for what is broken or cut off.
    """
    parts: list[bytes] = []
    left = limit
    while packed:
        part, packed = _member(packed, limit=left)
        left -= len(part)
        parts.append(part)
    return b"".join(parts)


def _member(packed: bytes, *, limit: int) -> tuple[bytes, bytes]:
    """The first member, and what follows it."""
    inflater = zlib.decompressobj(GZIP)
    try:
        # One byte more than is allowed tells too much from just enough.
        part = inflater.decompress(packed, limit + 1)
    except zlib.error as problem:
        raise _broken() from problem
    if len(part) > limit:
        raise TooLarge("The body is too long once it is decompressed.", code="too_large")
    if not inflater.eof:
        raise _broken()
    return part, inflater.unused_data


def _broken() -> InvalidInput:
    return InvalidInput("The body is not whole gzip data.", code="malformed_request")
