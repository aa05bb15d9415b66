"""Addresses with the checksum of EIP-55: upper and lower case carry a hash of the digits."""

from __future__ import annotations

import re

from eth_hash.auto import keccak

ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)


def checksummed(address: str) -> str:
    """``0x`` and 40 hex digits in any case -> the one spelling of EIP-55. Raises ``ValueError``."""
    if not ADDRESS.fullmatch(address):
        raise ValueError("not 0x and 40 hex digits")
    digits = address[2:].lower()
    nibbles = keccak(digits.encode()).hex()
    return "0x" + "".join(
        digit.upper() if nibble >= "8" else digit
        for digit, nibble in zip(digits, nibbles, strict=False)
    )


def is_checksummed(address: str) -> bool:
    """False for the spellings in one case too, which say nothing about typing errors."""
    return bool(ADDRESS.fullmatch(address)) and checksummed(address) == address
