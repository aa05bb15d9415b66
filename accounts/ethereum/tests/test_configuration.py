"""Settings that are refused, the API's description, and what of allauth this rests on."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys

import pytest
from allauth.core.internal import ratelimit
from allauth.socialaccount.internal.flows.login import complete_login
from allauth.socialaccount.providers import registry
from django.conf import settings as live_settings
from django.urls import URLResolver, get_resolver
from jsonschema import validate

from accounts.ethereum import openapi
from accounts.ethereum.checks import check_wallet_sign_in
from accounts.ethereum.provider import EthereumProvider
from accounts.ethereum.tests.desk import BASE, Visitor


def ids():
    return [message.id for message in check_wallet_sign_in(None)]


def test_the_settings_of_the_tests_are_whole():
    assert ids() == []


def test_nothing_at_all_switches_wallet_sign_in_off(settings):
    settings.SIWE_DOMAIN = settings.SIWE_URI = ""
    settings.SIWE_CHAINS = []
    assert ids() == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"SIWE_DOMAIN": ""}, "quayside.E020"),
        ({"SIWE_URI": ""}, "quayside.E020"),
        ({"SIWE_CHAINS": []}, "quayside.E020"),
        ({"SIWE_URI": "http://desk.example/login", "DEMO": False}, "quayside.E021"),
        ({"SIWE_URI": "https://other.example/"}, "quayside.E022"),
        ({"SIWE_DOMAIN": "Desk.example"}, "quayside.E022"),
        ({"SIWE_SMART_WALLETS": {137: "https://node.example"}}, "quayside.E023"),
        ({"SIWE_SMART_WALLETS": {1: "node.example"}}, "quayside.E024"),
        ({"SIWE_SMART_WALLETS": {1: "wss://node.example"}}, "quayside.E024"),
        ({"SIWE_SMART_WALLETS": {1: "https://"}}, "quayside.E024"),
        ({"SIWE_SMART_WALLETS": {1: "https://node.example:port"}}, "quayside.E024"),
        ({"SIWE_SMART_WALLETS": {1: "https://[::1"}}, "quayside.E024"),
        ({"SIWE_SMART_WALLETS": {1: "http://node.example"}}, "quayside.W003"),
    ],
)
def test_half_a_configuration_is_refused(settings, changes, expected):
    for name, value in changes.items():
        setattr(settings, name, value)
    assert ids() == [expected]


@pytest.mark.parametrize("url", ["https://node.example/v2/key", "http://127.0.0.1:8545"])
def test_a_node_on_this_machine_or_over_tls_is_fine(settings, url):
    settings.SIWE_SMART_WALLETS = {1: url}
    assert ids() == []


def test_a_nodes_address_stays_out_of_what_is_printed(settings):
    settings.SIWE_SMART_WALLETS = {1: "ftp://node.example/secret-key"}
    assert "secret" not in str(check_wallet_sign_in(None))


def test_outside_the_demo_nothing_is_assumed():
    environment = {
        "PATH": os.environ["PATH"],
        "SECRET_KEY": "k" * 60,
        "DATABASE_URL": "postgresql://127.0.0.1:1/none",
        "REDIS_URL": "redis://127.0.0.1:1/0",
    }
    code = "from config import settings as s; print([s.SIWE_DOMAIN, s.SIWE_URI, s.SIWE_CHAINS])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=live_settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "['', '', []]"


def test_the_provider_is_registered_and_has_no_second_door():
    assert EthereumProvider in registry.get_class_list()
    assert EthereumProvider.supports_token_authentication is False
    assert EthereumProvider.supports_redirect is False


def test_allauths_inner_functions_still_take_what_we_give():
    assert [*inspect.signature(complete_login).parameters] == ["request", "sociallogin", "raises"]
    assert {"app", "action", "limit_get"} <= set(inspect.signature(ratelimit.consume).parameters)


def addresses(patterns, prefix=""):
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, prefix + str(pattern.pattern))
        else:
            yield prefix + str(pattern.pattern)


def test_the_description_names_exactly_the_doors_there_are():
    described = openapi.describe({"paths": {}})["paths"]
    doors = {f"/{address}" for address in addresses(get_resolver().url_patterns)}
    assert set(described) == {door for door in doors if door.startswith(BASE)}


@pytest.mark.django_db
def test_answers_have_the_described_shape(visitor, wallet):
    validate(visitor.nonce(), openapi.NONCE)
    refused = Visitor().client.get(f"{BASE}me").json()
    validate(refused, openapi.ERROR)
    described = openapi.describe({"paths": {}})["paths"]
    answers = {
        ("verify", "post"): visitor.prove(wallet),
        ("me", "get"): visitor.client.get(f"{BASE}me"),
        ("logout", "post"): visitor.client.post(f"{BASE}logout"),
    }
    for (door, method), answer in answers.items():
        described_answer = described[f"{BASE}{door}"][method]["responses"]["200"]
        validate(answer.json(), described_answer["content"]["application/json"]["schema"])
