"""Hexadecimal values as nodes write them, and everything that is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.evm.node import NodeError
from foundation.evm.quantities import address, data, digest, quantity, written

MAX = 2**256 - 1


@given(st.integers(0, MAX))
def test_every_uint256_is_read_to_the_last_digit(number):
    assert quantity(hex(number)) == quantity(hex(number).upper().replace("X", "x")) == number


@given(st.binary(max_size=100))
def test_bytes_are_read_as_they_were_written(raw):
    assert data(written(raw)) == raw


NO_HEX = [
    None,
    5,
    True,
    b"0x12",
    ["0x1"],
    "",
    "12",
    "0X12",
    "-0x1",
    "0x1g",
    "0x12\n",
    "0x\u0661\u0662",
]


@pytest.mark.parametrize("value", [*NO_HEX, "0x", "0x 1", "0x1_0", "0x" + "0" * 65])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(NodeError) as met:
        quantity(value)
    assert met.value.kind == "bad_answer"


@pytest.mark.parametrize("value", [*NO_HEX, "0x1", "0x12 34", "0x 12", "0x1 2", "0x12 "])
def test_what_are_no_bytes_is_refused(value):
    with pytest.raises(NodeError) as met:
        data(value)
    assert met.value.kind == "bad_answer"


@pytest.mark.parametrize(("read", "length"), [(address, 20), (digest, 32)])
def test_addresses_and_hashes_have_their_length(read, length):
    assert read("0x" + "ab" * length) == b"\xab" * length
    for other in (0, length - 1, length + 1):
        with pytest.raises(NodeError):
            read("0x" + "ab" * other)
