"""What publishers put on a topic's Valkey channel, and keep in its snapshot hash.

A message is three lines: a header ``flag epoch seq key``, then the key's ``data`` and ``meta`` as
ready-made JSON. The hub reads the header and forwards the rest unparsed, so that a value is
serialised once however many browsers receive it. JSON holds no raw newline, so lines are safe.
"""

from __future__ import annotations

from typing import Final, NamedTuple

NORMAL: Final = b"-"
# Overtakes queued changes: a person is waiting for it (a spread edit, a halt).
PRIORITY: Final = b"!"
# Carries no value: the publisher is alive and ``seq`` is its newest. Its key is ``*``.
ALIVE: Final = b"~"
# Reserved key: the topic's own state, sent as the topic's state event instead of a value.
TOPIC_STATE: Final = "*"


class Message(NamedTuple):
    """One value of one key. ``(epoch, seq)`` only rises for a key; a lower one is out of date.

    Only the topic's own state may change under the ``seq`` of the newest value.
    """

    flag: bytes
    epoch: int
    seq: int
    key: str
    data: bytes
    meta: bytes

    def encode(self) -> bytes:
        return b"%s %d %d %s\n%s\n%s" % (
            self.flag,
            self.epoch,
            self.seq,
            self.key.encode(),
            self.data,
            self.meta,
        )


def decode(raw: bytes) -> Message:
    """Parse what ``Message.encode`` made. Raises ``ValueError`` for anything else."""
    header, data, meta = raw.split(b"\n", 2)
    flag, epoch, seq, key = header.split(b" ", 3)
    if flag not in (NORMAL, PRIORITY, ALIVE):
        raise ValueError(f"unknown flag {flag!r}")
    return Message(flag, int(epoch), int(seq), key.decode(), data, meta)
