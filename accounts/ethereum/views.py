"""The four doors of wallet sign-in, under ``/api/v1/auth/wallet/``.

Plain Django views, so that CSRF is checked before anybody is signed in.
"""

from __future__ import annotations

from typing import Any

from allauth.account.internal.flows.logout import logout
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.middleware.csrf import get_token
from django.utils import timezone
from django.utils.decorators import method_decorator
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request

from accounts.authentication import TokenAuthentication
from accounts.ethereum import flows, limits, siwe
from accounts.ethereum.constants import (
    MAX_BODY,
    NONCE_LIFE,
    STATEMENTS,
    VISITOR_LIFE,
    Purpose,
)
from accounts.ethereum.services import nonces, proofs
from accounts.ethereum.services.refusals import WalletRefused
from accounts.models import User
from accounts.services.sessions import VISITOR_KEY
from foundation.errors import InvalidInput, NotFound, RateLimited, TooLarge, Unauthenticated
from foundation.json_views import JsonView, read_object

FLOWS = {
    Purpose.LOGIN: flows.sign_in,
    Purpose.CONNECT: flows.connect,
    Purpose.REAUTH: flows.reauthenticate,
}


class WalletView(JsonView):
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.request = request
        return super().dispatch(request, *args, **kwargs)


class NonceView(WalletView):
    """``GET nonce?purpose=login``: what the page needs to write a message; sets the CSRF cookie."""

    def get(self, request: HttpRequest) -> HttpResponse:
        purpose = _purpose(request, request.GET.get("purpose", Purpose.LOGIN))
        limits.consume(request, "wallet_nonce")
        now = timezone.now()
        nonce = nonces.issue(session_key=_session_key(request), purpose=purpose, now=now)
        get_token(request)
        return JsonResponse(
            {
                "nonce": nonce.nonce,
                "domain": settings.SIWE_DOMAIN,
                "uri": settings.SIWE_URI,
                "statement": STATEMENTS[purpose],
                "version": "1",
                "chainIds": settings.SIWE_CHAINS,
                "issuedAt": _written(now),
                "expirationTime": _written(now + NONCE_LIFE),
                # For the page: whom a sign-in would sign out, and whether linking would be refused.
                "user": _user(request) if request.user.is_authenticated else None,
                "reauthenticate": purpose is Purpose.CONNECT and _lacks_proof(request),
            }
        )


# With ATOMIC_REQUESTS a refusal would roll back, and the nonce would be good for another attempt.
@method_decorator(transaction.non_atomic_requests, name="dispatch")
class VerifyView(WalletView):
    """``POST verify`` with ``{message, signature, process, next}``."""

    def post(self, request: HttpRequest) -> HttpResponse:
        text, signature, purpose, destination = _read(request)
        limits.consume(request, "wallet_verify")
        if purpose is not Purpose.LOGIN:
            limits.consume(request, "wallet_account")
        message = _parsed(text)
        now = timezone.now()
        if not nonces.consume(
            nonce=message.nonce,
            session_key=request.session.session_key or "",
            purpose=purpose,
            now=now,
        ):
            raise WalletRefused("Ask for a new nonce and sign again.", code="invalid_nonce")
        wallet = proofs.prove(
            text=text, message=message, signature=signature, purpose=purpose, now=now
        )
        FLOWS[purpose](request, wallet, destination)
        answer = {"address": wallet.address, "chainId": wallet.chain_id}
        return JsonResponse({"ok": True, "user": _user(request), **answer})


class MeView(WalletView):
    """``GET me``: the wallet that this session came through; a token came through none."""

    def get(self, request: HttpRequest) -> HttpResponse:
        if (owner := _token_owner(request)) is not None:
            return JsonResponse({"address": None, "chainId": None, "user": _person(owner)})
        found = flows.session_wallet(request) if request.user.is_authenticated else None
        if found is None:
            raise Unauthenticated("This session did not come through a wallet.")
        account, chain_id = found
        address = account.extra_data["address"]
        return JsonResponse({"address": address, "chainId": chain_id, "user": _user(request)})


class LogoutView(WalletView):
    """``POST logout``; signing out twice is no error."""

    def post(self, request: HttpRequest) -> HttpResponse:
        logout(request, show_message=False)
        return JsonResponse({"ok": True})


def _read(request: HttpRequest) -> tuple[str, str, Purpose, str]:
    body = read_object(request, limit=MAX_BODY)
    message, signature = body.get("message"), body.get("signature")
    if not isinstance(message, str) or not isinstance(signature, str):
        raise InvalidInput("message and signature must be text.", code="malformed_request")
    purpose = _purpose(request, body.get("process", Purpose.LOGIN), field="process")
    if len(message) > siwe.MAX_LENGTH:
        raise TooLarge(f"The message is longer than {siwe.MAX_LENGTH} bytes.")
    destination = body.get("next", "")
    if not isinstance(destination, str):
        reason = "next must be text."
        raise InvalidInput(reason, code="malformed_request", fields={"next": [reason]})
    return message, signature, purpose, destination


def _purpose(request: HttpRequest, written: Any, *, field: str = "purpose") -> Purpose:
    if not settings.SIWE_DOMAIN:
        raise NotFound("Wallet sign-in is switched off here.")
    if written not in list(Purpose):
        known = ", ".join(Purpose)
        message = f"{field} must be one of: {known}."
        raise InvalidInput(message, code="malformed_request", fields={field: [message]})
    purpose = Purpose(written)
    if purpose is not Purpose.LOGIN and not request.user.is_authenticated:
        raise Unauthenticated("Sign in first.")
    return purpose


def _parsed(text: str) -> siwe.Message:
    try:
        return siwe.parse(text)
    except siwe.BadChecksum as problem:
        message = "The address must be spelled with its EIP-55 checksum."
        raise InvalidInput(message, code="bad_checksum") from problem
    except siwe.MalformedMessage as problem:
        message = "This is not a sign-in message of EIP-4361."
        raise InvalidInput(message, code="malformed_message") from problem


def _session_key(request: HttpRequest) -> str:
    """The session that the nonce belongs to; a visitor's is made now and is short-lived."""
    # Reading loads the session, which drops a key that the cookie made up.
    if request.session.get(VISITOR_KEY):
        request.session.modified = True
    if not request.session.session_key:
        request.session[VISITOR_KEY] = True
        request.session.set_expiry(int(VISITOR_LIFE.total_seconds()))
        request.session.create()
    key = request.session.session_key
    assert key, "a created session has a key"
    return key


def _user(request: HttpRequest) -> dict[str, Any]:
    return _person(flows.signed_in(request))


def _person(user: User) -> dict[str, Any]:
    return {"id": user.pk, "username": user.get_username()}


def _token_owner(request: HttpRequest) -> User | None:
    """Whose token came along, of whatever scope. Raises ``Unauthenticated``, ``RateLimited``."""
    try:
        found = TokenAuthentication().authenticate(Request(request))
    except AuthenticationFailed as problem:
        raise Unauthenticated(str(problem.detail), code=str(problem.get_codes())) from problem
    except Throttled as problem:
        wait = int(getattr(problem, "wait", None) or 1)
        raise RateLimited(str(problem.detail), retry_after=wait) from problem
    return None if found is None else found[0]


def _lacks_proof(request: HttpRequest) -> bool:
    try:
        flows.require_recent_proof(request)
    except Unauthenticated:
        return True
    return False


def _written(moment: Any) -> str:
    text: str = moment.isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
