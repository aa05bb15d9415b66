"""What a proven wallet is good for: signing in, joining an account, proving presence again.

Ends in allauth's own flow, the one its headless API calls, so that closed sign-up, inactive users,
second factors and records of authentication work as for every other way in.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.account.internal import flows as account_flows
from allauth.account.internal import stagekit
from allauth.core.exceptions import (
    ImmediateHttpResponse,
    ReauthenticationRequired,
    SignupClosedException,
)
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.internal.flows.login import complete_login
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.base.constants import AuthProcess
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, connection, transaction
from django.http import HttpRequest
from django.utils import timezone

from accounts.ethereum.constants import CHAIN_KEY, CONTRACT_SESSION
from accounts.ethereum.services.proofs import ProvenWallet
from accounts.models import User
from accounts.services.wallets import CONTRACT, PROVIDER_ID
from foundation.errors import Conflict, Forbidden, Unauthenticated

# The first number of PostgreSQL's advisory locks of two; the second stands for a wallet.
FIRST_SIGN_IN = 7_401


def sign_in(request: HttpRequest, wallet: ProvenWallet, destination: str = "") -> None:
    """Sign the wallet's user in, made now if this is the first time; the session's key changes.

    ``destination`` is where somebody goes who has to enter a second factor first; one outside of
    this site is forgotten.
    Raises ``Unauthenticated`` (``account_inactive``, ``mfa_required``) and ``Forbidden``
    (``signup_closed``).
    """
    # One commit instead of nine: each waits for the disk.
    with transaction.atomic():
        _require_welcome(request, wallet)
        _complete(request, wallet, AuthProcess.LOGIN, destination)
    if not request.user.is_authenticated:
        if stagekit.get_pending_stage(request) is not None:
            message = "Enter your second factor at /accounts/2fa/authenticate/."
            raise Unauthenticated(message, code="mfa_required")
        stagekit.clear_login(request)
        raise _inactive()
    request.session[CHAIN_KEY] = wallet.chain_id
    if wallet.kind == CONTRACT:
        # Who may sign for a contract changes on the chain, and no session hears of it.
        request.session.set_expiry(CONTRACT_SESSION)


def connect(request: HttpRequest, wallet: ProvenWallet, destination: str = "") -> None:
    """Link the wallet to who is signed in. Needs a recent proof of presence.

    Raises ``Unauthenticated`` (``reauthentication_required``) and ``Conflict``
    (``connected_other``).
    """
    require_recent_proof(request)
    known = _account(wallet)
    if known is not None and known.user_id != request.user.pk:
        raise _connected_other()
    with transaction.atomic():
        _complete(request, wallet, AuthProcess.CONNECT)


def reauthenticate(request: HttpRequest, wallet: ProvenWallet, destination: str = "") -> None:
    """Record that who is signed in has just proved to be there. Raises ``Unauthenticated``."""
    known = _account(wallet)
    if known is None or known.user_id != request.user.pk:
        raise _proof_required("Sign with a wallet that is linked to your account.")
    SocialAccount.objects.filter(pk=known.pk).update(last_login=timezone.now())
    account_flows.login.record_authentication(
        request,
        request.user,
        method="socialaccount",
        provider=PROVIDER_ID,
        uid=wallet.uid,
        reauthenticated=True,
    )


def require_recent_proof(request: HttpRequest) -> None:
    """Raises ``Unauthenticated`` (``reauthentication_required``)."""
    try:
        account_flows.reauthentication.raise_if_reauthentication_required(
            request, app="allauth.socialaccount"
        )
    except ReauthenticationRequired as required:
        raise _proof_required("Prove again that it is you, then repeat this.") from required


def session_wallet(request: HttpRequest) -> tuple[SocialAccount, int] | None:
    """The wallet that this session came through, with its chain; ``None`` for other ways in."""
    user = signed_in(request)
    records = account_flows.login.get_authentication_records(request, user)
    uids = [
        record.get("uid")
        for record in records
        if record.get("provider") == PROVIDER_ID and not record.get("reauthenticated")
    ]
    if not uids:
        return None
    account = SocialAccount.objects.filter(provider=PROVIDER_ID, uid=uids[-1], user=user).first()
    if account is None:
        return None
    return account, request.session.get(CHAIN_KEY, account.extra_data["chain_id"])


def signed_in(request: HttpRequest) -> User:
    assert isinstance(request.user, User), "the door asks for a signed-in user"
    return request.user


def _require_welcome(request: HttpRequest, wallet: ProvenWallet) -> None:
    """Refuse before anything happens: allauth would sign the present user out first.

    Locks the user's row, as unlinking does before it touches the wallet's: no deadlock. While there
    is no user yet, first sign-ins with this wallet come one after another.
    """
    known = _account(wallet, lock=True)
    if known is None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [FIRST_SIGN_IN, wallet.uid]
            )
        known = _account(wallet, lock=True)
    if known is not None and not known.user.is_active:
        raise _inactive()
    if known is None and not get_account_adapter().is_open_for_signup(request):
        raise _closed()


def _complete(
    request: HttpRequest, wallet: ProvenWallet, process: str, destination: str = ""
) -> None:
    # A savepoint for linking; for signing in the adapter sets one, around the new user alone, since
    # what is rolled back must not include the end of a session.
    guard = transaction.atomic() if process == AuthProcess.CONNECT else nullcontext()
    try:
        with guard:
            _attempt(request, wallet, process, destination)
    except IntegrityError:
        # Somebody signed in first with this wallet in the same instant: now its user exists. What
        # was verified stays verified; the nonce is used up and cannot be asked for again.
        _attempt(request, wallet, process, destination)


def _attempt(request: HttpRequest, wallet: ProvenWallet, process: str, destination: str) -> None:
    provider: Any = get_adapter().get_provider(request, PROVIDER_ID)
    sociallogin = provider.sociallogin_from_response(request, wallet)
    sociallogin.state["process"] = process
    if destination and get_account_adapter().is_safe_url(destination):
        sociallogin.state["next"] = destination
    try:
        complete_login(request, sociallogin, raises=True)
    except SignupClosedException as closed:
        raise _closed() from closed
    except ReauthenticationRequired as required:
        raise _proof_required("Prove again that it is you, then repeat this.") from required
    except ValidationError as other:
        if other.code != "connected_other":
            raise
        raise _connected_other() from other
    except (PermissionDenied, ImmediateHttpResponse) as refused:
        raise Forbidden("This sign-in was refused.") from refused


def _account(wallet: ProvenWallet, *, lock: bool = False) -> SocialAccount | None:
    accounts = SocialAccount.objects.select_related("user")
    if lock:
        accounts = accounts.select_for_update(of=("user",), no_key=True)
    return accounts.filter(provider=PROVIDER_ID, uid=wallet.uid).first()


def _inactive() -> Unauthenticated:
    return Unauthenticated("This account is switched off.", code="account_inactive")


def _closed() -> Forbidden:
    return Forbidden("New accounts are not accepted now.", code="signup_closed")


def _proof_required(message: str) -> Unauthenticated:
    return Unauthenticated(message, code="reauthentication_required")


def _connected_other() -> Conflict:
    return Conflict("This wallet belongs to another account.", code="connected_other")
