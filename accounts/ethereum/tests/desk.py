"""A wallet with a real key, a visitor with a browser's cookies, and the desk as they leave it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.test import Client
from eth_account import Account
from eth_account.messages import encode_defunct

from accounts.ethereum.models import WalletNonce
from accounts.models import User

BASE = "/api/v1/auth/wallet/"
PASSWORD = "correct horse battery staple"


class KeyWallet:
    """Signs what it is given, as ``personal_sign`` does."""

    def __init__(self, key=None):
        self.account = Account.from_key(key) if key else Account.create()
        self.address = self.account.address

    def sign(self, text: str) -> str:
        signed = self.account.sign_message(encode_defunct(text=text))
        return f"0x{signed.signature.hex()}"


def render(fields: dict[str, Any]) -> str:
    """The message that these fields (named as in the vectors) make; no field is checked."""
    scheme = f"{fields['scheme']}://" if fields.get("scheme") else ""
    statement = f"{fields['statement']}\n" if fields.get("statement") is not None else ""
    lines = [
        f"{scheme}{fields.get('domain', '')} wants you to sign in with your Ethereum account:",
        f"{fields.get('address', '')}\n",
        f"{statement}\nURI: {fields.get('uri', '')}",
        f"Version: {fields.get('version', '')}",
        f"Chain ID: {fields.get('chainId', '')}",
        f"Nonce: {fields.get('nonce', '')}",
        f"Issued At: {fields.get('issuedAt', '')}",
    ]
    optional = {"expirationTime": "Expiration Time", "notBefore": "Not Before"}
    optional["requestId"] = "Request ID"
    lines += [f"{label}: {fields[name]}" for name, label in optional.items() if name in fields]
    if "resources" in fields:
        lines += ["Resources:", *(f"- {item}" for item in fields["resources"])]
    return "\n".join(lines)


def written(**offset) -> str:
    """Now, moved by a ``timedelta``, as a message writes it."""
    return (datetime.now(UTC) + timedelta(**offset)).isoformat(timespec="milliseconds")


class Visitor:
    """One browser."""

    def __init__(self, *, address="127.0.0.1", **options):
        self.client = Client(REMOTE_ADDR=address, **options)

    def nonce(self, purpose="login") -> dict[str, Any]:
        answer = self.client.get(f"{BASE}nonce", {"purpose": purpose})
        assert answer.status_code == 200, answer.content
        issued: dict[str, Any] = answer.json()
        return issued

    def fields(self, wallet, purpose="login", **changes) -> dict[str, Any]:
        """A message's fields as the page fills them in; ``None`` leaves one out."""
        issued = self.nonce(purpose)
        chain_id = issued.pop("chainIds")[0]
        fields = {**issued, "address": wallet.address, "chainId": chain_id, **changes}
        return {name: value for name, value in fields.items() if value is not None}

    def post(self, text, signature, process="login", **headers):
        body = {"message": text, "signature": signature, "process": process}
        return self.send(json.dumps(body), **headers)

    def send(self, body, content_type="application/json", **headers):
        return self.client.post(f"{BASE}verify", body, content_type=content_type, headers=headers)

    def prove(self, wallet, process="login", **changes):
        """Ask for a nonce, sign, verify; returns the answer."""
        text = render(self.fields(wallet, process, **changes))
        return self.post(text, wallet.sign(text), process)

    def sign_in(self, wallet) -> User:
        answer = self.prove(wallet)
        assert answer.status_code == 200, answer.content
        return User.objects.get(pk=answer.json()["user"]["id"])

    @property
    def signed_in(self) -> bool:
        return self.client.get("/api/v1/auth/wallet/me").status_code == 200

    @property
    def session(self) -> dict[str, Any]:
        # The test client would make a session where there is none.
        return dict(self.client.session.items()) if self.session_key else {}

    @property
    def session_key(self) -> str | None:
        cookie = self.client.cookies.get("sessionid")
        return cookie.value if cookie else None


def refused(answer, status, code) -> bool:
    """Whether the answer has this status and the one shape of errors with this code."""
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.json()["error"]["message"]
    assert answer["Cache-Control"] == "no-store"
    return True


def refuse(visitor, text, signature, status, code, process="login") -> bool:
    """Whether the attempt is refused like this, and nothing changed."""
    with nothing_changes(visitor):
        assert refused(visitor.post(text, signature, process), status, code)
    return True


def standing() -> list[Any]:
    """Everything a sign-in could have changed."""
    return [
        list(User.objects.order_by("pk").values()),
        list(SocialAccount.objects.order_by("pk").values()),
        list(UserSession.objects.order_by("pk").values_list("session_key", "user_id")),
    ]


@contextmanager
def nothing_changes(*visitors):
    """No user, wallet or session was made, changed or removed."""
    before = standing(), [(v.session_key, v.session) for v in visitors]
    yield
    assert (standing(), [(v.session_key, v.session) for v in visitors]) == before


def burned(nonce: str) -> bool:
    return WalletNonce.objects.get(nonce=nonce).consumed_at is not None


def link(visitor, wallet, second):
    assert visitor.prove(wallet, "reauth").status_code == 200
    answer = visitor.prove(second, "connect")
    assert answer.status_code == 200, answer.content


def account_of(wallet):
    return SocialAccount.objects.get(uid=wallet.address)


def with_password(visitor):
    user = User.objects.create_user("somebody", email="a@example.com", password=PASSWORD)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    form = {"login": user.email, "password": PASSWORD}
    assert visitor.client.post("/accounts/login/", form).status_code == 302
    return user
