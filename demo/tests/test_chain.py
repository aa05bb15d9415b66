"""The contracts and the chain that tests run on."""

from __future__ import annotations

import subprocess

from demo import pytest_anvil


def test_the_committed_bytecode_is_what_the_sources_compile_to():
    pytest_anvil.install()
    command = ["node", "compile.mjs", "--check"]
    done = subprocess.run(
        command, cwd=pytest_anvil.HERE, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_chain_is_as_new_for_every_test(anvil):
    address = anvil.deploy("Yes")
    assert anvil.ask("eth_getCode", address, "latest") != "0x"
    anvil.reset()
    assert anvil.ask("eth_getCode", address, "latest") == "0x"


def test_two_chains_have_two_ids(anvil, other_anvil):
    ids = [int(chain.ask("eth_chainId"), 16) for chain in (anvil, other_anvil)]
    assert ids == [anvil.chain_id, other_anvil.chain_id] == [1, 11155111]
