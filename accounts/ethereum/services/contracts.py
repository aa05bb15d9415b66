"""Contract wallets: what a key did not sign, the contract at the address may still approve."""

from __future__ import annotations

from typing import Final

import structlog
from django.conf import settings
from django.db import connection

from accounts.ethereum.services.refusals import WalletRefused
from foundation.errors import Unavailable
from foundation.evm.contract_signatures import ChainUnavailable, contract_approves
from foundation.evm.signatures import MalformedSignature

logger = structlog.get_logger(__name__)

# Seconds after which a caller may hope that a node is back.
RETRY: Final = 5


def may_sign_in(chain_id: int) -> bool:
    return chain_id in settings.SIWE_SMART_WALLETS


def require_approval(*, text: str, signature: str, address: str, chain_id: int) -> None:
    """Ask the contract on this very chain. Raises ``WalletRefused`` and ``Unavailable``."""
    _release_connection()
    try:
        approved = contract_approves(
            endpoint=settings.SIWE_SMART_WALLETS[chain_id],
            chain_id=chain_id,
            address=address,
            message=text.encode(),
            signature=signature,
        )
    except MalformedSignature as problem:
        message = "This is not a signature in the accepted form."
        raise WalletRefused(message, code="malformed_signature") from problem
    except ChainUnavailable as problem:
        logger.warning("a chain does not answer", chain_id=chain_id, reason=str(problem))
        message = f"Chain {chain_id} does not answer. Try again soon."
        raise Unavailable(message, retry_after=RETRY) from problem
    if not approved:
        raise WalletRefused("This signature is not by this wallet.", code="invalid_signature")


def _release_connection() -> None:
    """Seconds of waiting for a node must not keep a connection from the others in the pool."""
    if not connection.in_atomic_block:
        connection.close()
