"""Messages of EIP-4361 ("sign in with Ethereum"): one strict parser, free of Django and settings.

The standard sets no lengths; ours bound every field. Text is matched once, in order, and nothing is
repaired: no other line ends, no trailing spaces, no second label.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address
from typing import Final

from foundation.evm.address import is_checksummed

MAX_LENGTH: Final = 2048

# RFC 3986, by rule. Each repetition takes one character or one escape, so that matching is linear.
_PLAIN = r"A-Za-z0-9\-._~!$&'()*+,;="
_ESCAPE = "%[0-9A-Fa-f]{2}"
_SCHEME = r"[A-Za-z][A-Za-z0-9+\-.]*"
_IP_LITERAL = rf"\[(?:[0-9A-Fa-f:.]+|[vV][0-9A-Fa-f]+\.[{_PLAIN}:]+)\]"
_USERINFO = rf"(?:[{_PLAIN}:]|{_ESCAPE})*"
_REG_NAME = rf"(?:[{_PLAIN}]|{_ESCAPE})"
_PCHAR = rf"(?:[{_PLAIN}:@]|{_ESCAPE})"
_PATH = rf"(?:[{_PLAIN}:@/]|{_ESCAPE})*"
_QUERY = rf"(?:[{_PLAIN}:@/?]|{_ESCAPE})*"
_AUTHORITY = rf"(?:{_USERINFO}@)?(?:{_IP_LITERAL}|{_REG_NAME}*)(?::[0-9]*)?"
_URI = (
    rf"{_SCHEME}:(?://{_AUTHORITY}(?:/{_PATH})?|/(?!/){_PATH}|{_PCHAR}{_PATH})?"
    rf"(?:\?{_QUERY})?(?:\#{_QUERY})?"
)
_TIME = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})"

_MESSAGE = re.compile(
    rf"(?:(?P<scheme>{_SCHEME})://)?(?P<domain>(?=[^ ]){_AUTHORITY})"
    r" wants you to sign in with your Ethereum account:\n"
    r"(?P<address>0x[0-9a-fA-F]{40})\n\n"
    rf"(?:(?P<statement>[{_PLAIN}:/?\#\[\]@ ]*)\n)?\n"
    rf"URI: (?P<uri>{_URI})\n"
    r"Version: 1\n"
    r"Chain ID: (?P<chain_id>0|[1-9][0-9]{0,19})\n"
    r"Nonce: (?P<nonce>[A-Za-z0-9]{8,96})\n"
    rf"Issued At: (?P<issued_at>{_TIME})"
    rf"(?:\nExpiration Time: (?P<expiration_time>{_TIME}))?"
    rf"(?:\nNot Before: (?P<not_before>{_TIME}))?"
    rf"(?:\nRequest ID: (?P<request_id>{_PCHAR}*))?"
    rf"(?:\nResources:(?P<resources>(?:\n- {_URI})*))?",
    re.ASCII,
)
_BRACKETED = re.compile(r"\[([^\]]*)\]")


class MalformedMessage(ValueError):
    """This is not a message of EIP-4361, or one beyond our lengths."""


class BadChecksum(ValueError):
    """The address is not spelled as EIP-55 spells it."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a message says. Absent is ``None``, which differs from empty."""

    scheme: str | None
    domain: str
    address: str
    statement: str | None
    uri: str
    chain_id: int
    nonce: str
    issued_at: datetime
    expiration_time: datetime | None
    not_before: datetime | None
    request_id: str | None
    resources: tuple[str, ...] | None


def parse(text: str) -> Message:
    """Read a message. Raises ``MalformedMessage`` or ``BadChecksum``, both ``ValueError``."""
    if len(text) > MAX_LENGTH or not text.isascii():
        raise MalformedMessage("too long, or not ASCII")
    match = _MESSAGE.fullmatch(text)
    if match is None:
        raise MalformedMessage("not a message of EIP-4361")
    resources = _list(match["resources"])
    for address in (match["domain"], match["uri"], *(resources or ())):
        _require_ip_literals(address)
    if not is_checksummed(match["address"]):
        raise BadChecksum("the address fails its checksum")
    return Message(
        scheme=match["scheme"],
        domain=match["domain"],
        address=match["address"],
        statement=match["statement"],
        uri=match["uri"],
        chain_id=int(match["chain_id"]),
        nonce=match["nonce"],
        issued_at=_time(match["issued_at"]),
        expiration_time=_time_or_none(match["expiration_time"]),
        not_before=_time_or_none(match["not_before"]),
        request_id=match["request_id"],
        resources=resources,
    )


def _list(lines: str | None) -> tuple[str, ...] | None:
    return None if lines is None else tuple(lines.split("\n- ")[1:])


def _time_or_none(written: str | None) -> datetime | None:
    return None if written is None else _time(written)


def _time(written: str) -> datetime:
    try:
        return datetime.fromisoformat(written)
    except ValueError as problem:
        raise MalformedMessage("a time that does not exist") from problem


def _require_ip_literals(address: str) -> None:
    """What stands in brackets must be an IPv6 address, or an address of a later version."""
    for literal in _BRACKETED.findall(address):
        if literal[0] in "vV":
            continue
        try:
            IPv6Address(literal)
        except ValueError as problem:
            raise MalformedMessage("a host in brackets that is no address") from problem
