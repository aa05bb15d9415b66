"""Rows of assets: made once whoever meets them first, and what their own words are taken for."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from balances.models import Chain, Token
from balances.services import tokens
from balances.services.tokens import looks_like_spam, native_of, plain_symbol
from balances.tests import ledger
from foundation.evm import tokens as contracts
from foundation.evm.tokens import TokenData


def said(symbol="TOK", name="Token"):
    return TokenData(symbol, name, 18)


@pytest.mark.django_db(transaction=True)
def test_the_coin_of_a_new_chain_is_made_by_whoever_is_first_without_a_conflict(monkeypatch):
    chain = Chain.objects.create(id=1, name="One")
    make = Token.objects.bulk_create

    def second(rows, **options):
        monkeypatch.setattr(Token.objects, "bulk_create", make)
        make([Token(chain=chain, contract=b"", symbol="ETH")])
        return make(rows, **options)

    monkeypatch.setattr(Token.objects, "bulk_create", second)
    with connection.execute_wrapper(no_error):
        coin = native_of(chain)
    assert coin == native_of(chain) == Token.objects.get()


def no_error(execute, sql, params, many, context):
    try:
        return execute(sql, params, many, context)
    except Exception as problem:
        raise AssertionError(sql) from problem


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("<b>FREE", "Free"),
        ("USDC", "Claim your reward"),
        ("GIFT", "Visit gift.example"),
        ("$ gift.xyz", "Token"),
        ("AIR", '=HYPERLINK("https://example.invalid")'),
        ("AIR", "https://example.invalid"),
        ("\uff25\uff34\uff28", "Ether in wide letters"),
    ],
)
def test_bait_and_names_that_are_taken_look_like_spam(symbol, name):
    assert looks_like_spam(said(symbol, name), {"eth"})


@pytest.mark.parametrize(
    "symbol", ["USDC", "WETH", "stETH", "yvUSDT", "Rewardless", "CLM", "1INCH"]
)
def test_plain_words_do_not(symbol):
    assert not looks_like_spam(said(symbol, f"{symbol} Token"), {"eth"})


def test_what_has_no_letters_takes_no_name():
    assert plain_symbol("$$") == ""


def test_a_token_is_judged_when_it_tells_its_name_and_an_operators_word_stands(db, monkeypatch):
    chain = ledger.make_chain()
    words = {0xC1: said("<b>FREE"), 0xC2: said("eth"), 0xC3: said("FINE"), 0xC4: said("<i>", "x")}
    for number in words:
        ledger.make_token(chain, number, symbol="", status="unknown", decimals=None)
    Token.objects.filter(contract=ledger.raw(0xC4)).update(status="listed")
    answers = {ledger.raw(number): words[number] for number in words}
    monkeypatch.setattr(contracts, "metadata", lambda nodes, asked: [answers[c] for c in asked])
    nodes: Any = None
    assert tokens.refresh_metadata(chain, nodes) == 4
    found = {int.from_bytes(t.contract): t.status for t in Token.objects.exclude(contract=b"")}
    assert found == {0xC1: "spam", 0xC2: "spam", 0xC3: "unknown", 0xC4: "listed"}
