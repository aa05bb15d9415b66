"""Compressed bodies, inflated no further than is allowed: a bomb is stopped while it is read."""

from __future__ import annotations

import zlib
from typing import Final

from foundation.errors import InvalidInput, TooLarge

# Tells zlib to expect gzip's own header.
GZIP: Final = 16 + zlib.MAX_WBITS
# Programs that append to a stream send a few; each costs an inflater of its own.
MAX_MEMBERS: Final = 64
# Bytes given to an inflater at a time, since it copies whatever follows its member.
PIECE: Final = 64 * 1024


def inflate(packed: bytes, *, limit: int) -> bytes:
    """What a gzip body (of one to ``MAX_MEMBERS`` members) holds.

    Raises ``TooLarge`` beyond ``limit`` bytes, and ``InvalidInput`` for what is broken, cut off or
    in too many members.
    """
    parts: list[bytes] = []
    left, begin, members = limit, 0, 0
    body = memoryview(packed)
    while begin < len(body):
        members += 1
        if members > MAX_MEMBERS:
            raise InvalidInput(
                f"The body has more than {MAX_MEMBERS} gzip members.", code="malformed_request"
            )
        part, begin = _member(body, begin, limit=left)
        left -= len(part)
        parts.append(part)
    return b"".join(parts)


def _member(body: memoryview, begin: int, *, limit: int) -> tuple[bytes, int]:
    """What the member at ``begin`` holds, and where the next one begins."""
    inflater = zlib.decompressobj(GZIP)
    parts: list[bytes] = []
    # One byte more than is allowed tells too much from just enough.
    left = limit + 1
    while not inflater.eof:
        piece = body[begin : begin + PIECE]
        if not piece:
            raise _broken()
        try:
            part = inflater.decompress(piece, left)
        except zlib.error as problem:
            raise _broken() from problem
        left -= len(part)
        if not left:
            raise TooLarge("The body is too long once it is decompressed.", code="too_large")
        parts.append(part)
        begin += len(piece) - len(inflater.unused_data)
    return b"".join(parts), begin


def _broken() -> InvalidInput:
    return InvalidInput("The body is not whole gzip data.", code="malformed_request")
