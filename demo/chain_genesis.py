"""The local chain as it begins: Multicall3, tokens, accounts that hold something, a short past."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from demo import chain_node
from demo.chain_traffic import Market
from demo.home import write_private
from foundation.evm.node import Node, NodeError

# A chain that grew beyond this is begun anew: every few seconds the node writes all of it.
MAX_STATE: Final = 64 * 1024 * 1024
FACTS: Final = "facts.json"
SEED: Final = 20240229
FIRST_TRANSFERS: Final = 40
COIN: Final = 10**18

_CODE: Final = Path(chain_node.__file__).resolve().parent.parent / "foundation/evm/contracts"
_CONTRACTS: Final = chain_node.HERE / "contracts" / "contracts.json"


@dataclass(frozen=True)
class DemoTokenPlan:
    name: str
    symbol: str
    decimals: int
    most: int  # what an account may begin with, in whole tokens


PLANS: Final = (
    DemoTokenPlan("Tether USD (simulated)", "USDT", 6, 25_000),
    DemoTokenPlan("Chainlink (simulated)", "LINK", 18, 900),
)


def facts(folder: Path) -> dict[str, Any]:
    """``genesis`` (hash), ``accounts``, ``tokens`` (symbol -> address); empty without a chain."""
    path = folder / FACTS
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def initialise(folder: Path, anvil: str) -> None:
    """Make the chain in ``folder`` unless it is there and of a bearable size."""
    state = folder / chain_node.STATE
    if (folder / FACTS).exists() and state.exists() and state.stat().st_size <= MAX_STATE:
        return
    # Made beside its place and moved there whole: an interrupted start leaves no half chain.
    draft = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    with chain_node.running(anvil, draft) as node:
        found = _begin(node)
    write_private(draft / FACTS, json.dumps(found, indent=2))
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)


def _begin(node: Node) -> dict[str, Any]:
    drawn = random.Random(SEED)
    runtime = (_CODE / "Multicall.runtime.hex").read_text().strip()
    node.call("anvil_setCode", chain_node.MULTICALL, f"0x{runtime}")
    accounts = node.call("eth_accounts")
    for account in accounts:
        wei = drawn.randint(2 * COIN, 60 * COIN)
        node.call("anvil_setBalance", account, hex(wei))
    known = json.loads(_CONTRACTS.read_text())
    tokens = {
        plan.symbol: issue(
            node, known["DemoToken"]["bytecode"], plan, accounts[-1], accounts, drawn
        )
        for plan in PLANS
    }
    # What strangers send unasked: pages must know how to hide it.
    spam = _deploy(node, accounts[-1], known["SpamToken"]["bytecode"])
    for account in accounts[:3]:
        _send(node, accounts[-1], spam, _mint(account, 1_000_000 * 10**6))
    market = Market(node, accounts, list(tokens.values()), drawn)
    for _ in range(FIRST_TRANSFERS):
        market.trade()
    genesis = node.call("eth_getBlockByNumber", "0x0", False)["hash"]
    return {"genesis": genesis, "accounts": accounts, "tokens": tokens}


def issue(
    node: Node,
    code: str,
    plan: DemoTokenPlan,
    maker: str,
    accounts: list[str],
    drawn: random.Random,
) -> str:
    """Deploy a token and give each account some; its address."""
    token = _deploy(node, maker, code + _constructed(plan).hex())
    for account in accounts:
        amount = drawn.randint(1, plan.most * 100) * 10 ** (plan.decimals - 2)
        _send(node, maker, token, _mint(account, amount))
    return token


def _constructed(plan: DemoTokenPlan) -> bytes:
    """(string name, string symbol, uint8 decimals), each text below 32 bytes."""
    texts = [_text(plan.name), _text(plan.symbol)]
    places = [96, 96 + len(texts[0]), plan.decimals]
    return b"".join([place.to_bytes(32, "big") for place in places] + texts)


def _text(text: str) -> bytes:
    raw = text.encode()
    return len(raw).to_bytes(32, "big") + raw.ljust(32, b"\0")


def _mint(account: str, amount: int) -> str:
    return f"0x40c10f19{account[2:]:0>64}{amount:064x}"


def _deploy(node: Node, maker: str, code: str) -> str:
    receipt = _receipt(node, node.call("eth_sendTransaction", {"from": maker, "data": code}))
    address: str = receipt["contractAddress"]
    return address


def _send(node: Node, sender: str, to: str, data: str) -> None:
    question = {"from": sender, "to": to, "data": data}
    _receipt(node, node.call("eth_sendTransaction", question))


def _receipt(node: Node, name: str) -> dict[str, Any]:
    for receipt in _receipts(node, name):
        if receipt["status"] == "0x1":
            return receipt
    raise NodeError("refused", "a transaction of the beginning failed")


def _receipts(node: Node, name: str) -> Iterator[dict[str, Any]]:
    # A block is made for each transaction, but not always before the answer to it.
    for _ in range(1000):
        if (receipt := node.call("eth_getTransactionReceipt", name)) is not None:
            yield receipt
            return
