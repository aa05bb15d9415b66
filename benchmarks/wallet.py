"""What a sign-in with a wallet costs: the proof alone, and the whole request in process.

``python -m benchmarks.wallet`` measures with the servers of its environment and prints a JSON row.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from typing import Any

from benchmarks.contenders import valkey
from benchmarks.database import python

SIGN_INS = 300
SIWE = {
    "SIWE_DOMAIN": "desk.example",
    "SIWE_URI": "https://desk.example/login",
    "SIWE_CHAINS": "1",
}
BASE = "/api/v1/auth/wallet/"


@dataclass
class WalletRow:
    """Milliseconds; ``refusal_cpu`` is processor time for a message of 1 MB."""

    proof_p50: float
    proof_p95: float
    sign_in_p50: float
    sign_in_p95: float
    first_p50: float
    first_p95: float
    refusal_cpu: float


def measure(database: str) -> WalletRow:
    """On a Valkey of its own. Raises ``CannotRun``."""
    with valkey() as url:
        printed = python(database, "-m", "benchmarks.wallet", valkey=url)
    return WalletRow(**json.loads(printed.splitlines()[-1]))


def main() -> WalletRow:
    os.environ.update(SIWE, DJANGO_SETTINGS_MODULE="config.settings", LOG_LEVEL="ERROR")
    import django

    django.setup()
    from eth_account import Account

    wallets = [Account.create() for _ in range(SIGN_INS)]
    first = [_sign_in(wallet, number) for number, wallet in enumerate(wallets)]
    again = [_sign_in(wallet, number + SIGN_INS) for number, wallet in enumerate(wallets)]
    proofs = [_proof(wallet) for wallet in wallets]
    refusals = [_refusal(number) for number in range(100)]
    return WalletRow(
        *_middle_and_p95(proofs), *_middle_and_p95(again), *_middle_and_p95(first), median(refusals)
    )


def _sign_in(wallet: Any, number: int) -> float:
    """The request alone, each from an address of its own; the nonce was asked for before."""
    browser = _browser(number)
    issued = browser.get(f"{BASE}nonce").json()
    text = _message(wallet.address, issued)
    body = json.dumps({"message": text, "signature": _sign(wallet, text)})
    answer, spent = _timed(lambda: _post(browser, body), time.perf_counter)
    assert answer.status_code == 200, answer.content
    return spent


def _proof(wallet: Any) -> float:
    from accounts.ethereum.siwe import parse
    from foundation.evm.signatures import recover_address

    issued = {"nonce": "0" * 32, "issuedAt": "2026-01-01T00:00:00.000Z"}
    text = _message(wallet.address, {**issued, "expirationTime": "2026-01-01T00:05:00.000Z"})
    signature = _sign(wallet, text)

    def prove() -> bool:
        return parse(text).address == recover_address(text.encode(), signature)

    proved, spent = _timed(prove, time.perf_counter)
    assert proved
    return spent


def _refusal(number: int) -> float:
    """What the door itself spends, without the test client's encoding of the body."""
    from django.test import RequestFactory

    from accounts.ethereum.views import VerifyView

    body = json.dumps({"message": "a" * 2**20, "signature": "0x"})
    request = RequestFactory().post(f"{BASE}verify", body, content_type="application/json")
    view = VerifyView.as_view()
    answer, spent = _timed(lambda: view(request), time.process_time)
    assert answer.status_code == 413
    return spent


def _browser(number: int) -> Any:
    from django.test import Client

    return Client(HTTP_HOST="127.0.0.1", REMOTE_ADDR=f"10.0.{number // 250}.{number % 250 + 1}")


def _post(browser: Any, body: str) -> Any:
    return browser.post(f"{BASE}verify", body, content_type="application/json")


def _sign(wallet: Any, text: str) -> str:
    from eth_account.messages import encode_defunct

    return "0x" + bytes(wallet.sign_message(encode_defunct(text=text)).signature).hex()


def _message(address: str, issued: dict[str, Any]) -> str:
    statement = issued.get("statement", "Sign in.")
    return (
        f"{SIWE['SIWE_DOMAIN']} wants you to sign in with your Ethereum account:\n{address}\n\n"
        f"{statement}\n\nURI: {SIWE['SIWE_URI']}\nVersion: 1\nChain ID: 1\n"
        f"Nonce: {issued['nonce']}\nIssued At: {issued['issuedAt']}\n"
        f"Expiration Time: {issued['expirationTime']}"
    )


def _timed(job: Callable[[], Any], clock: Callable[[], float]) -> tuple[Any, float]:
    begun = clock()
    result = job()
    return result, (clock() - begun) * 1000


def _middle_and_p95(times: list[float]) -> tuple[float, float]:
    return median(times), quantiles(times, n=20)[-1]


if __name__ == "__main__":
    print(json.dumps(asdict(main())))
