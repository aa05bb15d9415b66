"""What tokens say of themselves: oddities of real ones, and malice."""

from __future__ import annotations

import unicodedata

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from foundation.evm import tokens
from foundation.evm.node import NodeError
from foundation.evm.tokens import TokenData, metadata
from foundation.tests.fake_node import FakeNode, Refusal, saying
from foundation.tests.test_evm_blocks import over

UNKNOWN = TokenData("", "", None)


def of(anvil, *names, **arguments):
    contracts = [bytes.fromhex(anvil.deploy(name, **arguments)[2:]) for name in names]
    return metadata(over(anvil.url), contracts)


def test_a_proper_token_says_all(anvil):
    arguments = encode(["string", "string", "uint8"], ["Dollar", "USDX", 6])
    assert of(anvil, "DemoToken", arguments=arguments) == [TokenData("USDX", "Dollar", 6)]


def test_each_oddity_is_taken_as_what_it_is(anvil):
    names = ("Bytes32Token", "NamelessToken", "MuteToken", "GreedyToken", "FeeToken")
    assert of(anvil, *names) == [
        TokenData("OLD", "An old token", 18),
        UNKNOWN,
        UNKNOWN,
        UNKNOWN,
        TokenData("FEE", "Fee on transfer", 18),
    ]


def test_a_spam_name_is_one_short_line_of_visible_text(anvil):
    (spam,) = of(anvil, "SpamToken")
    assert spam.symbol == "<b>FREE"
    assert spam.name.startswith('=HYPERLINK("https://example.invalid") claim claim')
    assert len(spam.name) <= tokens.LONGEST_NAME


def test_no_contract_at_all_is_unknown(anvil):
    assert metadata(over(anvil.url), [b"\1" * 20]) == [UNKNOWN]
    assert metadata(over(anvil.url), []) == []


@pytest.mark.parametrize("respond", [saying(b"", 503), saying(b"", 429), saying(b"<html>")])
def test_a_node_that_cannot_answer_is_no_word_of_the_contract(respond):
    with FakeNode(respond) as fake, pytest.raises(NodeError):
        metadata(over(fake.url), [b"\1" * 20])


def test_one_question_that_meets_a_limit_is_no_word_of_the_contract():
    with FakeNode(eth_call=Refusal(-32005, "rate limited")) as fake, pytest.raises(NodeError):
        metadata(over(fake.url), [b"\1" * 20])


def returned(text):
    return encode(["string"], [text])


@given(st.text(max_size=300))
def test_any_text_becomes_one_line_that_shows_all_it_holds(text):
    shown = tokens.text_of(returned(text), 32)
    assert len(shown) <= 32
    assert shown == shown.strip()
    assert not [c for c in shown if unicodedata.category(c)[0] == "C"]
    assert not [c for c in shown if unicodedata.category(c)[0] == "Z" and c != " "]


@given(st.binary(max_size=400))
def test_any_bytes_are_read_without_a_word(raw):
    assert len(tokens.text_of(raw, 80)) <= 80


def test_a_length_that_lies_reads_no_further_than_there_is():
    lie = (32).to_bytes(32, "big") + (2**255).to_bytes(32, "big") + b"abc"
    assert tokens.text_of(lie, 32) == "abc"
    assert tokens.text_of((2**255).to_bytes(32, "big") + bytes(64), 32) == ""


@pytest.mark.parametrize(
    ("said", "decimals"), [(0, 0), (18, 18), (77, 77), (78, None), (300, None)]
)
def test_decimals_beyond_a_uint256_are_none(said, decimals):
    with FakeNode(eth_call="0x" + said.to_bytes(32, "big").hex()) as fake:
        assert metadata(over(fake.url), [b"\1" * 20])[0].decimals == decimals
