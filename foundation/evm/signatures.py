"""Who signed a message (EIP-191), from signatures in one strict form.

A signature is malleable: (r, s) and (r, N - s) recover to one signer. Only the lower ``s`` passes
here, and nothing may use a signature as a key or an identifier.
"""

from __future__ import annotations

import re
from typing import Final

from eth_hash.auto import keccak
from eth_keys.backends.coincurve import CoinCurveECCBackend
from eth_keys.constants import SECPK1_N
from eth_keys.exceptions import BadSignature
from eth_keys.main import KeyAPI

FORM = re.compile(r"(?:0x)?([0-9a-fA-F]{130})", re.ASCII)
# Some hardware wallets send the recovery id itself.
RECOVERY_IDS: Final = {0: 0, 1: 1, 27: 0, 28: 1}

# Named, not left to eth-keys to find: its own Python code is 40 times slower.
_keys = KeyAPI(CoinCurveECCBackend())


class MalformedSignature(ValueError):
    """The signature has not the accepted form."""


class UnrecoverableSignature(ValueError):
    """The form is right, but no key can have made this signature."""


def recover_address(message: bytes, signature: str) -> str:
    """The checksummed address that signed ``message`` with ``personal_sign``.

    ``signature`` is 65 bytes r, s, v in hex; v is 27, 28, 0 or 1. Raises ``MalformedSignature`` and
    ``UnrecoverableSignature``, both ``ValueError``.
    """
    r, s, recovery_id = _parts(signature)
    signed = _keys.Signature(vrs=(recovery_id, r, s))
    try:
        key = _keys.ecdsa_recover(message_digest(message), signed)
    except BadSignature as problem:
        raise UnrecoverableSignature("no key can have made this signature") from problem
    return key.to_checksum_address()


def _parts(signature: str) -> tuple[int, int, int]:
    match = FORM.fullmatch(signature)
    if match is None:
        raise MalformedSignature("not 65 bytes in hex")
    raw = bytes.fromhex(match[1])
    r, s, v = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:64], "big"), raw[64]
    if not 0 < r < SECPK1_N or not 0 < s <= SECPK1_N // 2:
        raise MalformedSignature("r or s is out of range")
    if v not in RECOVERY_IDS:
        raise MalformedSignature("v is not 27, 28, 0 or 1")
    return r, s, RECOVERY_IDS[v]


def message_digest(message: bytes) -> bytes:
    """What ``personal_sign`` signs: keccak-256 of the message with its length before it."""
    return keccak(b"\x19Ethereum Signed Message:\n%d%b" % (len(message), message))
