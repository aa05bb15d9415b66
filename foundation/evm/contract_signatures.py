"""Whether a contract wallet approves a signature (EIP-1271), deployed or not yet (EIP-6492).

A contract's answer holds for one chain and one moment: at the same address another chain may have
somebody else's contract, and a wallet may change its owners.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError

from foundation.evm import json_rpc
from foundation.evm.signatures import MalformedSignature, message_digest

MAX_DIGITS: Final = 6 * 1024
FORM = re.compile(r"(?:0x)?((?:[0-9a-fA-F]{2})+)", re.ASCII)
WRAPPED: Final = bytes.fromhex("6492" * 16)
NOBODY: Final = "0x" + "00" * 20
# Deploying a wallet takes a tenth of this; a contract that never ends is stopped by it.
GAS: Final = hex(10_000_000)
REVERTED: Final = 3

_CHECK = bytes.fromhex(
    (Path(__file__).parent / "contracts" / "SignatureCheck.hex").read_text().strip()
)
_VERDICTS: Final = {"0x00": False, "0x01": True}


class ChainUnavailable(Exception):
    """Nobody can say now: no node, no sense in its answer, or a node of another chain."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a contract is shown, and how to deploy it should it not exist yet."""

    signature: bytes
    factory: str = NOBODY
    factory_call: bytes = b""


def contract_approves(
    *, endpoint: str, chain_id: int, address: str, message: bytes, signature: str
) -> bool:
    """Ask the contract at ``address`` whether ``signature`` (hex) is good for ``message``.

    One ``eth_call`` to ``endpoint``, nothing else; false where there is no contract. Raises
    ``MalformedSignature`` before it and ``ChainUnavailable`` after it.
    """
    claim = _claim(signature)
    types = ["uint256", "address", "bytes32", "address", "bytes", "bytes"]
    digest = message_digest(message)
    values = [chain_id, address, digest, claim.factory, claim.factory_call, claim.signature]
    return _verdict(endpoint, _CHECK + encode(types, values))


def _claim(written: str) -> _Claim:
    # Longer ones are not even matched.
    match = FORM.fullmatch(written) if len(written) <= MAX_DIGITS + 2 else None
    if match is None or len(match[1]) > MAX_DIGITS:
        raise MalformedSignature("not a contract's signature in hex")
    raw = bytes.fromhex(match[1])
    return _unwrapped(raw.removesuffix(WRAPPED)) if raw.endswith(WRAPPED) else _Claim(raw)


def _unwrapped(wrapper: bytes) -> _Claim:
    try:
        factory, factory_call, signature = decode(["address", "bytes", "bytes"], wrapper)
    except (DecodingError, OverflowError) as problem:
        raise MalformedSignature(
            "what stands before the mark of EIP-6492 is no wrapper"
        ) from problem
    return _Claim(signature, factory, factory_call)


def _verdict(endpoint: str, code: bytes) -> bool:
    question = {"data": f"0x{code.hex()}", "gas": GAS}
    try:
        answer = json_rpc.ask(endpoint, "eth_call", [question, "latest"])
    except json_rpc.NodeUnavailable as problem:
        raise ChainUnavailable(str(problem)) from problem
    except json_rpc.NodeRefused as problem:
        # The question itself does not revert: a contract has used up its gas.
        if problem.code == REVERTED:
            return False
        raise ChainUnavailable(str(problem)) from problem
    if not isinstance(answer, str) or answer not in _VERDICTS:
        raise ChainUnavailable("a node of another chain, or one that cannot run the question")
    return _VERDICTS[answer]
