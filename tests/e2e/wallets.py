"""A wallet as an extension puts it into a page: announced by EIP-6963, signing with real keys."""

from __future__ import annotations

import itertools
import json
from typing import Any

from allauth.socialaccount.models import SocialAccount
from eth_account import Account
from eth_account.messages import encode_defunct
from playwright.sync_api import Page

from accounts.models import User

ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E"
    "%3Ccircle cx='4' cy='4' r='4' fill='teal'/%3E%3C/svg%3E"
)
LOGIN, ACCOUNT = "/accounts/login/", "/account/"
NUMBERS = itertools.count(1)

# The far end of `TestWallet`: what a test changes is in `state`, what it hears is in `asked`.
PROVIDER = """
(({ state, info, announced, sign }) => {
  const listeners = {};
  const emit = (event, value) => [...(listeners[event] ?? [])].forEach((hear) => hear(value));
  const wallet = { ...state, asked: [], emit };
  (window.testWallets ??= {})[info.uuid] = wallet;
  const answers = {
    eth_requestAccounts: () => wallet.accounts,
    eth_chainId: () => wallet.chain,
    wallet_switchEthereumChain([{ chainId }]) {
      if (wallet.stubborn) throw { code: 4902, message: "Unrecognized chain" };
      wallet.chain = chainId;
      wallet.emit("chainChanged", chainId);
      return null;
    },
    async personal_sign(params) {
      const signature = await window[sign](...params);
      if (wallet.holds) await new Promise((resolve) => (wallet.release = resolve));
      return signature;
    },
  };
  const provider = {
    async request({ method, params }) {
      wallet.asked.push(method);
      const code = wallet.refuses[method];
      if (code) throw { code, message: "User rejected the request." };
      return answers[method](params);
    },
    on: (event, listener) => (listeners[event] ??= new Set()).add(listener),
    removeListener: (event, listener) => listeners[event]?.delete(listener),
  };
  if (!announced) return (window.ethereum = provider);
  const detail = Object.freeze({ info, provider });
  const announce = () =>
    dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail }));
  addEventListener("eip6963:requestProvider", announce);
  announce();
})(%s);
"""


class TestWallet:
    """``keys`` are its accounts, the first one selected. ``state`` holds what tests change."""

    __test__ = False

    def __init__(
        self, name: str = "Harbour", *, keys: int = 1, announced: bool = True, **info: Any
    ):
        self.number = next(NUMBERS)
        self.keys = [Account.create() for _ in range(keys)]
        self.announced = announced
        self.info = {
            "uuid": f"00000000-0000-4000-8000-{self.number:012}",
            "name": name,
            "icon": ICON,
            "rdns": f"example.wallet{self.number}",
        } | info
        self.state: dict[str, Any] = {"chain": "0x1", "refuses": {}, "holds": False}

    @property
    def addresses(self) -> list[str]:
        return [key.address for key in self.keys]

    def sign(self, message: str, address: str) -> str:
        key = self.keys[self.addresses.index(address)]
        return "0x" + bytes(key.sign_message(encode_defunct(hexstr=message)).signature).hex()

    def install(self, page: Page) -> TestWallet:
        """Put it into every page that ``page`` opens from now on."""
        sign = f"testWalletSign{self.number}"
        page.expose_function(sign, self.sign)
        # Wallets tell addresses in lower case; spelling them is the page's work.
        accounts = [address.lower() for address in self.addresses]
        facts = {"state": self.state | {"accounts": accounts}, "info": self.info, "sign": sign}
        page.add_init_script(PROVIDER % json.dumps(facts | {"announced": self.announced}))
        return self

    def tell(self, page: Page, script: str, value: Any = None) -> Any:
        """Run ``script`` in the page with ``wallet`` and ``value``."""
        return page.evaluate(
            f"([uuid, value]) => {{ const wallet = window.testWallets[uuid]; return {script}; }}",
            [self.info["uuid"], value],
        )


def button(page, wallet):
    return page.get_by_role("button", name=wallet.info["name"])


def said(page):
    return page.locator("main [data-wallets-text]").first


def is_signed_in(page) -> bool:
    return any(row["name"] == "sessionid" for row in page.context.cookies()) and (
        page.request.get("/api/v1/auth/wallet/me").status == 200
    )


def sign_in(page, wallet):
    button(page, wallet).click()
    page.wait_for_url(lambda url: LOGIN not in url)


def user_of(wallet, index=0) -> User:
    return SocialAccount.objects.get(uid=wallet.addresses[index]).user
