"""What a node may answer instead of a result, sorted by what can be done about it."""

from __future__ import annotations

import re
from typing import Any, Final, Literal

Kind = Literal[
    "unavailable",  # no answer in time, or none at all
    "rate_limited",  # later, or from another endpoint
    "no_archive",  # this endpoint has no state so old
    "no_method",  # this endpoint cannot do this at all
    "too_large",  # the question or its answer; a smaller one may pass
    "range",  # too many blocks or results for one question about logs
    "orphan",  # the named block is not, or no longer, part of the chain
    "bad_answer",  # not what a node answers
    "refused",  # a node's own answer: reverted, wrong parameters
    "wrong_chain",  # another chain stands behind the address
]


class NodeError(Exception):
    """A question was not answered. The text holds nothing that the node or its address said:
    providers put keys there.

    ``code`` is JSON-RPC's or HTTP's number, ``retry_after`` seconds where the node named them.
    """

    def __init__(
        self,
        kind: Kind,
        message: str = "",
        *,
        code: int | None = None,
        retry_after: float | None = None,
        timed_out: bool = False,
    ) -> None:
        super().__init__(f"{kind}: {message}" if message else kind)
        self.kind: Kind = kind
        self.code = code
        self.retry_after = retry_after
        self.timed_out = timed_out


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


# The words decide before the numbers, which providers use each in their own way. First match wins.
_WORDS: Final[list[tuple[Kind, re.Pattern[str]]]] = [
    (
        "no_archive",
        _words(
            r"archive|missing trie node|state .{0,80}not available|no state available"
            r"|historical state|pruned|state is not available|required historical"
            r"|block ?out ?of ?range"
        ),
    ),
    (
        "range",
        _words(
            r"query returned more than|block range|range (is )?too|ranges over|logs? limit"
            r"|max(imum)? (is set to |allowed )?\d* ?blocks|too many (logs|results)"
        ),
    ),
    (
        "too_large",
        _words(
            r"batch.{0,30}(limit|size|large|many|exceed)|too many .{0,20}batch|too large"
            r"|exceeds? .{0,30}size|out of gas|gas (limit|required|allowance|uint64)"
            r"|timed? ?out|timeout"
        ),
    ),
    (
        "orphan",
        _words(
            r"unknown block|not canonical|not currently canonical|block not found"
            r"|header for hash not found|hash .{0,80}not found|cannot find block"
        ),
    ),
    ("no_archive", _words(r"header not found")),
    (
        "rate_limited",
        _words(
            r"rate.?limit|too many requests|limit exceeded|exceeded .{0,40}(limit|quota|capacity)"
            r"|compute units|throttl|daily request count|over capacity"
        ),
    ),
    (
        "no_method",
        _words(
            r"method .{0,60}(not |disabled|unsupported|whitelist)|unsupported method"
            r"|does not exist/is not available|not implemented|unknown method"
        ),
    ),
]
_NUMBERS: Final[dict[int, Kind]] = {
    -32601: "no_method",
    -32004: "no_method",
    -32005: "rate_limited",
    -32007: "too_large",
    -32014: "too_large",
    -32600: "too_large",
    -32003: "too_large",
    -32001: "orphan",
    -32002: "no_archive",
    -32700: "bad_answer",
    429: "rate_limited",
}
_REVERTED: Final = re.compile(r"revert|invalid opcode|invalid jump|stack underflow", re.IGNORECASE)


def from_answer(error: Any) -> NodeError:
    """The ``error`` of a JSON-RPC answer, whatever it is."""
    match error:
        case {"code": int(code)}:
            said = str(error.get("message", ""))[:500]
        case _:
            return NodeError("bad_answer", "an error without a number")
    return NodeError(_kind(code, said), f"error {code}", code=code)


def _kind(code: int, said: str) -> Kind:
    # A contract chooses the words of its revert: they must not look like a limit of the node.
    if code == 3 or _REVERTED.search(said):
        return "refused"
    for kind, words in _WORDS:
        if words.search(said):
            return kind
    return _NUMBERS.get(code, "refused")


def from_status(status: int, retry_after: str | None) -> NodeError:
    """An HTTP status other than 200."""
    text = f"HTTP {status}"
    if status in (403, 429):
        return NodeError("rate_limited", text, code=status, retry_after=_seconds(retry_after))
    if status == 413:
        return NodeError("too_large", text, code=status)
    if status >= 500:
        return NodeError("unavailable", text, code=status, retry_after=_seconds(retry_after))
    return NodeError("bad_answer", text, code=status)


def _seconds(written: str | None) -> float | None:
    """``Retry-After`` in seconds; a date, which no provider is known to send, counts as nothing."""
    return float(written) if written and written.isascii() and written.isdigit() else None
