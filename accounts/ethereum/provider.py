"""The allauth provider ``ethereum``: a wallet is one of a user's social accounts."""

from __future__ import annotations

import secrets
from typing import Any

from allauth.socialaccount.providers.base.provider import Provider, ProviderAccount
from django.http import HttpRequest
from django.urls import reverse

from accounts.ethereum.services.proofs import ProvenWallet
from accounts.services.wallets import PROVIDER_ID


class EthereumAccount(ProviderAccount):
    def to_str(self) -> str:
        return str(self.account.extra_data.get("address", self.account.uid))


class EthereumProvider(Provider):
    """Holds no app and no tokens. ``supports_token_authentication`` stays off.

    With it allauth would open a second door, past our limits and purposes.
    """

    id = PROVIDER_ID
    name = "Ethereum wallet"
    account_class = EthereumAccount
    uses_apps = False

    def get_login_url(self, request: HttpRequest, **kwargs: Any) -> str:
        return reverse("account_login")

    def extract_uid(self, data: ProvenWallet) -> str:
        return data.uid

    def extract_extra_data(self, data: ProvenWallet) -> dict[str, Any]:
        return {"address": data.address, "chain_id": data.chain_id, "kind": data.kind}

    def extract_common_fields(self, data: ProvenWallet) -> dict[str, Any]:
        """A random name: one made from the address could be taken by somebody else first."""
        return {"username": f"eth-{secrets.token_hex(5)}"}


provider_classes = [EthereumProvider]
