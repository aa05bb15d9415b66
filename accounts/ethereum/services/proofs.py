"""From a signed message to a proven wallet, or to a refusal with its own code.

Cheap checks come first. The signature is looked at last, and only after the nonce is used up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from accounts.ethereum.constants import (
    LONGEST_LIFE,
    NEWEST_ISSUE,
    OLDEST_ISSUE,
    STATEMENTS,
    Purpose,
)
from accounts.ethereum.services import contracts
from accounts.ethereum.services.refusals import WalletRefused
from accounts.ethereum.siwe import Message
from accounts.services.wallets import CONTRACT
from foundation.evm.signatures import (
    MalformedSignature,
    UnrecoverableSignature,
    recover_address,
)


@dataclass(frozen=True, slots=True)
class ProvenWallet:
    """``uid`` names the identity: for a key pair its address, the same on every chain.

    A contract's is ``eip155:<chain>:<address>``, never equal to a key's: at one address each chain
    may have another owner's contract. ``kind`` is ``eoa`` or ``contract``.
    """

    uid: str
    address: str
    chain_id: int
    kind: str = "eoa"


def prove(
    *, text: str, message: Message, signature: str, purpose: Purpose, now: datetime
) -> ProvenWallet:
    """Check ``message`` against what was issued, then the signature over ``text`` as received.

    Raises ``WalletRefused``, and ``Unavailable`` when a contract could not be asked.
    """
    for code, problem in _problems(message, purpose, now):
        raise WalletRefused(problem, code=code)
    address, chain_id = message.address, message.chain_id
    try:
        _require_signature(text, signature, address)
    except WalletRefused:
        # What the key did not sign, a contract may still approve. Keys never wait for a node.
        if not contracts.may_sign_in(chain_id):
            raise
        contracts.require_approval(
            text=text, signature=signature, address=address, chain_id=chain_id
        )
        uid = f"eip155:{chain_id}:{address}"
        return ProvenWallet(uid=uid, address=address, chain_id=chain_id, kind=CONTRACT)
    return ProvenWallet(uid=address, address=address, chain_id=chain_id)


def _problems(message: Message, purpose: Purpose, now: datetime) -> Iterator[tuple[str, str]]:
    if message.domain != settings.SIWE_DOMAIN:
        yield "domain_mismatch", "This message was made for another site."
    if message.scheme not in (None, "https", *(["http"] if settings.DEMO else [])):
        yield "scheme_mismatch", "This message was made for another scheme."
    if message.uri != settings.SIWE_URI:
        yield "uri_mismatch", "This message was made for another address."
    if message.chain_id not in settings.SIWE_CHAINS:
        yield "chain_not_allowed", "Switch the wallet to a chain that is accepted here."
    if message.statement != STATEMENTS[purpose]:
        yield "statement_mismatch", "This message says something else than what was issued."
    if message.request_id is not None or message.resources is not None:
        yield "unexpected_field", "This message holds fields that were not issued."
    yield from _time_problems(message, now)


def _time_problems(message: Message, now: datetime) -> Iterator[tuple[str, str]]:
    issued, expires = message.issued_at, message.expiration_time
    if not now - OLDEST_ISSUE <= issued <= now + NEWEST_ISSUE:
        yield "issued_at_out_of_range", "This message is too old, or from the future."
    if expires is not None and expires <= now:
        yield "expired", "This message has expired. Ask for a new one."
    if expires is not None and not issued < expires <= issued + LONGEST_LIFE:
        yield "expiration_out_of_range", "This message is valid for too long."
    if message.not_before is not None and message.not_before > now:
        yield "not_yet_valid", "This message is not valid yet."


def _require_signature(text: str, signature: str, address: str) -> None:
    try:
        signer = recover_address(text.encode(), signature)
    except MalformedSignature as problem:
        message = "This is not a signature in the accepted form."
        raise WalletRefused(message, code="malformed_signature") from problem
    except UnrecoverableSignature as problem:
        message = "This signature is not by this wallet."
        raise WalletRefused(message, code="invalid_signature") from problem
    if signer != address:
        raise WalletRefused("This signature is not by this wallet.", code="invalid_signature")
