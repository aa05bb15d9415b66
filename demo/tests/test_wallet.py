"""The demo wallet's server side: signs sign-ins of this site, and is nowhere else."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client

from accounts.ethereum.tests.desk import Visitor, render
from demo.wallet import ACCOUNTS, sign
from foundation.evm.signatures import recover_address

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = next(iter(ACCOUNTS))
PRODUCTION = {
    "QUAYSIDE_DEMO": "0",
    "SECRET_KEY": "x" * 60,
    "ALLOWED_HOSTS": "desk.example",
    "DATABASE_URL": "postgresql://127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
}
LOOK = """
import django, sys
django.setup()
from django.urls import Resolver404, resolve
try:
    resolve("/demo/wallet/sign")
except Resolver404:
    print("absent", sorted(name for name in sys.modules if name.startswith("demo")))
"""


def message(**changes):
    fields = {
        "domain": "desk.example",
        "uri": "https://desk.example/login",
        "address": ADDRESS,
        "statement": "Sign in.",
        "version": "1",
        "chainId": 1,
        "nonce": "a" * 32,
        "issuedAt": "2026-01-01T00:00:00Z",
    }
    return render(fields | changes)


def ask(client, text, address=ADDRESS, **headers):
    body = json.dumps({"address": address, "message": text})
    return client.post("/demo/wallet/sign", body, content_type="application/json", headers=headers)


def test_it_signs_what_signs_somebody_in_here(client):
    text = message()
    answer = ask(client, text)
    assert answer.status_code == 200
    assert recover_address(text.encode(), answer.json()["signature"]) == ADDRESS


@pytest.mark.django_db
@pytest.mark.parametrize("address", list(ACCOUNTS))
def test_every_account_signs_in(address):
    visitor = Visitor()

    class Wallet:
        def __init__(self):
            self.address = address

        def sign(self, text):
            return sign(text, address)

    visitor.sign_in(Wallet())
    assert visitor.signed_in


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        (message(domain="other.example"), 403, "domain_mismatch"),
        (message(uri="https://other.example/login"), 403, "domain_mismatch"),
        (message(address="0x52908400098527886E0F7030069857D2E4169EE7"), 403, "unknown_account"),
        ("I owe you everything.", 400, "malformed_message"),
        (message(address=ADDRESS.lower()), 400, "malformed_message"),
        ("", 400, "malformed_message"),
        (None, 400, "malformed_request"),
        ({"a": 1}, 400, "malformed_request"),
    ],
)
def test_it_signs_nothing_else(client, text, status, code):
    answer = ask(client, text)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_it_signs_with_no_other_key(client):
    answer = ask(client, message(), address="0x52908400098527886E0F7030069857D2E4169EE7")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "unknown_account")


def test_another_site_cannot_have_it_sign():
    answer = ask(Client(enforce_csrf_checks=True), message())
    assert answer.status_code == 403


def test_a_long_body_is_not_read(client):
    assert ask(client, "x" * 10_000).status_code == 413


def test_outside_demo_mode_it_refuses_even_if_it_were_mounted(client, settings):
    settings.DEMO = False
    assert ask(client, message()).status_code == 404


def test_outside_demo_mode_it_is_not_mounted_and_its_keys_are_not_loaded():
    environment = os.environ | PRODUCTION | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    found = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=ROOT, env=environment, capture_output=True, check=True
    )
    assert found.stdout.decode().strip() == "absent []"


def test_the_browsers_half_names_the_same_accounts_and_no_key():
    module = (ROOT / "static/js/wallet/demo-wallet.js").read_text()
    assert re.findall(r'"(0x[0-9a-fA-F]{40})"', module) == list(ACCOUNTS)
    assert not re.search(r"[0-9a-fA-F]{64}", module)
