"""Reading addresses as people give them."""

from __future__ import annotations

from typing import Final

from balances.models import Chain
from foundation.errors import InvalidInput, NotFound
from foundation.evm.address import ADDRESS, is_checksummed

LONGEST_ID: Final = 18


def parse(text: str, *, field: str = "address") -> bytes:
    """``0x`` and 40 hex digits -> twenty bytes. Digits in both cases must be EIP-55.

    Raises ``InvalidInput`` with the code ``bad_address``, ``bad_checksum`` or ``name_not_address``
    and the reason under ``field``.
    """
    given = text.strip()
    if not ADDRESS.fullmatch(given):
        if "." in given and not given.lower().startswith("0x"):
            raise _refused(
                "Names are not looked up here. Give the address itself, 0x and 40 hex digits.",
                "name_not_address",
                field,
            )
        raise _refused(_shape_of(given), "bad_address", field)
    digits = given[2:]
    if digits not in (digits.lower(), digits.upper()) and not is_checksummed(given):
        raise _refused(
            "Upper and lower case do not fit together: a digit is mistyped. Copy it again.",
            "bad_checksum",
            field,
        )
    return bytes.fromhex(digits)


def chain_by_id(given: str | int, *, field: str = "chain") -> Chain:
    """A chain that is followed. Raises ``NotFound`` with the code ``unknown_chain``."""
    text = str(given)
    known = list(Chain.objects.followed())
    if text.isascii() and text.isdigit() and len(text) <= LONGEST_ID:
        for chain in known:
            if chain.pk == int(text):
                return chain
    shown = ", ".join(f"{chain.pk} ({chain.name})" for chain in known) or "none"
    problem = f"There is no chain {text[:32]!r} here. Known: {shown}."
    raise NotFound(problem, code="unknown_chain", fields={field: [problem]})


def _shape_of(given: str) -> str:
    if not given:
        return "Give an address: 0x and 40 hex digits."
    if given.lower().startswith("0x") and all(c in "0123456789abcdefABCDEF" for c in given[2:]):
        return f"An address has 40 hex digits after 0x; this has {len(given) - 2}."
    return "An address is 0x and 40 hex digits."


def _refused(problem: str, code: str, field: str) -> InvalidInput:
    return InvalidInput(problem, code=code, fields={field: [problem]})
