"""Addresses and signatures, against published examples and every bend of the form."""

from __future__ import annotations

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_keys.backends.coincurve import CoinCurveECCBackend
from eth_keys.constants import SECPK1_N as N

from foundation.evm import signatures
from foundation.evm.address import checksummed, is_checksummed
from foundation.evm.signatures import (
    MalformedSignature,
    UnrecoverableSignature,
    recover_address,
)

# The examples of EIP-55.
EXAMPLES = [
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]
TEXT = "any text"


@pytest.fixture(scope="module")
def signer():
    return Account.from_key("0x" + "42" * 32)


@pytest.fixture(scope="module")
def raw(signer):
    return bytes(signer.sign_message(encode_defunct(text=TEXT)).signature)


def parts(raw):
    return raw[:32], raw[32:64], raw[64]


def number(value):
    return value.to_bytes(32, "big")


@pytest.mark.parametrize("address", EXAMPLES)
def test_the_published_addresses_have_their_checksum(address):
    assert is_checksummed(address)
    assert checksummed(address.lower()) == checksummed("0x" + address[2:].upper()) == address


@pytest.mark.parametrize(
    "address",
    [
        EXAMPLES[0].lower(),
        "0x" + EXAMPLES[0][2:].upper(),
        EXAMPLES[0].swapcase(),
        EXAMPLES[0][:-1] + "D",
        EXAMPLES[0][:-1],
        EXAMPLES[0] + "\n",
        EXAMPLES[0][2:],
        "",
    ],
)
def test_any_other_spelling_is_refused(address):
    assert not is_checksummed(address)


def test_recovery_runs_in_c():
    assert isinstance(signatures._keys.backend, CoinCurveECCBackend)


@pytest.mark.parametrize("prefix", ["0x", ""])
def test_a_signature_recovers_its_signer(signer, raw, prefix):
    assert recover_address(TEXT.encode(), prefix + raw.hex()) == signer.address


def test_upper_case_digits_recover_too(signer, raw):
    assert recover_address(TEXT.encode(), "0x" + raw.hex().upper()) == signer.address


def test_a_bare_recovery_id_is_taken(signer, raw):
    r, s, v = parts(raw)
    assert recover_address(TEXT.encode(), (r + s + bytes([v - 27])).hex()) == signer.address


def test_another_message_recovers_somebody_else(signer, raw):
    assert recover_address(b"other text", raw.hex()) != signer.address


def test_length_counts_bytes_and_not_characters(signer):
    text = "prix: 5 \u20ac"
    signature = signer.sign_message(encode_defunct(text=text)).signature.hex()
    assert recover_address(text.encode(), signature) == signer.address


@pytest.mark.parametrize("v", [2, 3, 26, 29, 30, 31, 37, 38, 255])
def test_another_v_is_refused(raw, v):
    r, s, _ = parts(raw)
    with pytest.raises(MalformedSignature):
        recover_address(TEXT.encode(), (r + s + bytes([v])).hex())


def test_the_high_twin_is_refused(raw):
    r, s, v = parts(raw)
    high = number(N - int.from_bytes(s, "big"))
    with pytest.raises(MalformedSignature):
        recover_address(TEXT.encode(), (r + high + bytes([55 - v])).hex())


@pytest.mark.parametrize("bad", [0, N, N + 1, 2**256 - 1])
def test_numbers_out_of_range_are_refused(raw, bad):
    r, s, v = parts(raw)
    for pair in ((number(bad), s), (r, number(bad))):
        with pytest.raises(MalformedSignature):
            recover_address(TEXT.encode(), (b"".join(pair) + bytes([v])).hex())


def test_an_r_off_the_curve_is_unrecoverable(raw):
    _, s, v = parts(raw)
    with pytest.raises(UnrecoverableSignature):
        recover_address(TEXT.encode(), (number(5) + s + bytes([v])).hex())


@pytest.mark.parametrize(
    "text",
    ["", "0x", "0x1", "zz" * 65, "00" * 64, "00" * 65, "00" * 66, "0x" * 2 + "00" * 65, "11" * 500],
)
def test_what_is_no_signature_is_refused(text):
    with pytest.raises(MalformedSignature):
        recover_address(TEXT.encode(), text)


@pytest.mark.parametrize("tail", ["\n", " ", "\u0661"])
def test_nothing_may_follow_a_signature(raw, tail):
    with pytest.raises(MalformedSignature):
        recover_address(TEXT.encode(), raw.hex() + tail)
