"""The demo wallet's signing hand: published test keys, and only messages of this very site.

The keys are those of the development chain's default accounts, which everybody knows. They are
here so that a machine without a wallet can try signing in; nothing outside demo mode reaches them.
"""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from eth_hash.auto import keccak
from eth_keys.backends.coincurve import CoinCurveECCBackend
from eth_keys.main import KeyAPI

from accounts.ethereum import siwe
from foundation.errors import Forbidden, InvalidInput, NotFound
from foundation.json_views import JsonView, read_object

MAX_BODY: Final = 8 * 1024

_keys = KeyAPI(CoinCurveECCBackend())
# From the phrase "test test test test test test test test test test test junk".
_PUBLISHED: Final = (
    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
)
ACCOUNTS: Final = {
    str(key.public_key.to_checksum_address()): key
    for key in (_keys.PrivateKey(bytes.fromhex(secret)) for secret in _PUBLISHED)
}


class SignView(JsonView):
    """``POST {address, message}`` -> ``{signature}``. Refuses whatever is no sign-in here."""

    def post(self, request: HttpRequest) -> HttpResponse:
        if not settings.DEMO:
            raise NotFound("There is no such address here.")
        body = read_object(request, limit=MAX_BODY)
        address, message = body.get("address"), body.get("message")
        if not isinstance(message, str) or not isinstance(address, str):
            raise InvalidInput("address and message must be text.", code="malformed_request")
        _require_own(message, address)
        return JsonResponse({"signature": sign(message, address)})


def sign(message: str, address: str) -> str:
    """65 bytes in hex, as ``personal_sign`` answers. ``address`` is one of ``ACCOUNTS``."""
    text = message.encode()
    prefixed = b"\x19Ethereum Signed Message:\n%d%b" % (len(text), text)
    signature: bytes = ACCOUNTS[address].sign_msg_hash(keccak(prefixed)).to_bytes()
    return f"0x{signature.hex()}"


def _require_own(message: str, address: str) -> None:
    try:
        parsed = siwe.parse(message)
    except (siwe.MalformedMessage, siwe.BadChecksum) as problem:
        text = "The demo wallet signs sign-in messages only."
        raise InvalidInput(text, code="malformed_message") from problem
    if parsed.domain != settings.SIWE_DOMAIN or parsed.uri != settings.SIWE_URI:
        raise Forbidden("The demo wallet signs for this site only.", code="domain_mismatch")
    if parsed.address != address or address not in ACCOUNTS:
        raise Forbidden("The demo wallet has no such account.", code="unknown_account")
