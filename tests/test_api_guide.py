"""Every piece of docs/api.md is run against a web process, and what it promises comes back.

A fence of ``sh``, ``python`` or ``js`` is run; a ``json`` or ``text`` right below is what it
prints, where … stands for what differs: any value, a part of a text, further keys or lines.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.conf import settings

from accounts.models import Scope
from accounts.services import tokens
from accounts.tests.people import PASSWORD, make_user
from balances.tests import ledger
from foundation import valkey
from live.messages import ALIVE, TOPIC_STATE, Message
from orgs.models import KeyScope
from orgs.tests.events import an_organisation
from rates import constants as c
from rates.coins.services import webhook_delivery
from rates.coins.tests.market import put
from rates.coins.tests.receiver import receiver
from rates.tests.desk import make_house_default, make_operator, make_pair, put_candles, put_market
from rates.tests.quotes import message, publish
from tests.test_coins_fastlane import web_process

__all__ = ["receiver"]

GUIDE = (settings.BASE_DIR / "docs" / "api.md").read_text()
NODE = shutil.which("node")
PATIENCE = 60.0
ANYTHING = "…"
# Node.js 20 hides the WebSocket that browsers and later releases have.
COMMANDS = {
    "sh": ["bash", "-eu", "-s"],
    "python": [sys.executable, "-"],
    "js": [str(NODE), "--no-warnings", "--experimental-websocket", "--input-type=module", "-"],
}
FENCE = re.compile(r"^```(sh|python|js)\n(.*?)^```\n(?:```(json|text)\n(.*?)^```$)?", re.M | re.S)


class Piece(NamedTuple):
    line: int
    language: str
    code: str
    form: str
    promised: str


PIECES = [
    Piece(GUIDE[: found.start()].count("\n") + 1, *(part or "" for part in found.groups()))
    for found in FENCE.finditer(GUIDE)
]


def fits(told: Any, promised: Any) -> bool:
    """Whether ``told`` is what the guide promises, … being anything."""
    if isinstance(promised, str) and ANYTHING in promised:
        part = re.escape(promised).replace(ANYTHING, ".*")
        return promised == ANYTHING or re.fullmatch(part, str(told), re.S) is not None
    if isinstance(promised, dict):
        named = {key: value for key, value in promised.items() if key != ANYTHING}
        same = isinstance(told, dict) and (ANYTHING in promised or set(told) == set(named))
        return same and all(key in told and fits(told[key], named[key]) for key in named)
    if isinstance(promised, list):
        open_ended = len(promised) > 1 and promised[-1] == ANYTHING
        wanted = promised[:-1] if open_ended else promised
        same = isinstance(told, list) and len(told) >= len(wanted)
        same = same and (open_ended or len(told) == len(wanted))
        return same and all(fits(one, other) for one, other in zip(told, wanted, strict=False))
    return bool(told == promised)


def fits_text(told: str, promised: str) -> bool:
    told = told.rstrip("\n") + "\n" if told else ""
    lines = [
        r"(?:.*\n)*?" if line == ANYTHING else re.escape(line).replace(ANYTHING, ".*") + r"\n"
        for line in promised.splitlines()
    ]
    return re.fullmatch("".join(lines), told) is not None


def complaint(piece: Piece, folder: Path, environment: dict[str, str]) -> str | None:
    """What is wrong with a piece of the guide, if anything."""
    done = subprocess.run(
        COMMANDS[piece.language],
        input=piece.code,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    where = f"docs/api.md:{piece.line} ({piece.language})"
    if done.returncode:
        return f"{where} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    kept = (
        fits(json.loads(done.stdout or "null"), json.loads(piece.promised))
        if piece.form == "json"
        else fits_text(done.stdout, piece.promised)
    )
    return None if kept else f"{where} told:\n{done.stdout}"


class Feed:
    """Publishes a quote, and a second later each time that it lives."""

    def __enter__(self) -> None:
        self.silent = threading.Event()
        self.thread = threading.Thread(target=self._beat, daemon=True)
        self.thread.start()

    def _beat(self) -> None:
        publish(message(position=0))
        while not self.silent.wait(1):
            sign = Message(ALIVE, 5, 1, TOPIC_STATE, b"", b"")
            valkey.client().publish(c.channel_quotes(), sign.encode())
            publish()

    def __exit__(self, *problem: object) -> None:
        self.silent.set()
        self.thread.join(PATIENCE)


@pytest.fixture
def environment(receiver):
    """A desk with something of everything, and what the guide's first piece exports."""
    pair = make_pair(price_decimals=2)
    make_house_default()
    put_candles(pair, 100, 101, step=ledger.STEP * 5)
    put_market("BTC_USD", "84359.80", "84359.90")
    put("BTC", "ETH", "XRP")
    chain = ledger.make_chain(head=50)
    ledger.make_history(ledger.make_address(), ledger.native(chain), {10: 10**18, 20: 5 * 10**17})
    org, key = an_organisation(scopes=(KeyScope.EVENTS, KeyScope.METRICS))
    customer = make_user("customer")
    _, token = tokens.create(user=customer, name="guide", scopes=[Scope.READ], expires_at=None)
    _, operators = tokens.create(
        user=make_operator(), name="guide", scopes=[Scope.OPERATOR], expires_at=None
    )
    return {
        **{name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TOKEN": token,
        "OPERATOR_TOKEN": operators,
        "ORG_KEY": key,
        "ORG": org.slug,
        "DESK_USER": customer.username,
        "DESK_PASSWORD": PASSWORD,
        "ADDRESS": ledger.text(1),
        "RECEIVER": receiver.url,
    }


@pytest.mark.django_db(transaction=True)
def test_every_piece_of_the_guide_runs_and_brings_what_it_promises(
    environment, receiver, tmp_path, settings
):
    settings.OPEN_ENDPOINTS = []
    settings.SIWE_CHAINS = [1]
    with web_process() as client, Feed():
        environment["DESK"] = str(client.base_url).rstrip("/")
        complaints = [
            complaint(piece, tmp_path, environment)
            for piece in PIECES
            if piece.language != "js" or NODE
        ]
    assert [problem for problem in complaints if problem] == []
    # What the guide says of signatures is true of the call that it asked for.
    assert webhook_delivery.deliver_due() == 1
    ((headers, body),) = receiver.heard
    scope: dict[str, Any] = {}
    (verifies,) = (p.code for p in PIECES if p.language == "python" and "def verify" in p.code)
    exec(verifies.split("\nsecret = ")[0], scope)  # noqa: S102
    secret = (tmp_path / "webhook-secret").read_text()
    assert scope["verify"](secret, headers, body)
    assert not scope["verify"](secret, headers, body + b" ")


def test_the_guide_shows_every_part_of_the_api_in_three_languages():
    assert {piece.language for piece in PIECES} == set(COMMANDS)
    assert len(PIECES) == len(re.findall(r"^```(?:sh|python|js)$", GUIDE, re.M)) > 20


def test_every_error_code_that_the_guide_names_is_one_that_the_desk_says():
    table = GUIDE.split("## Errors")[1].split("| status |")[1].split("\n\n")[0]
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", table))
    folders = ("accounts", "balances", "config", "foundation", "live", "orgs", "rates")
    sources = [path for folder in folders for path in (settings.BASE_DIR / folder).rglob("*.py")]
    code = "".join(path.read_text() for path in sources if "tests" not in path.parts)
    # Django REST framework's own word, which no file of ours has.
    named -= {"unsupported_media_type"}
    assert {name for name in named if f'"{name}"' not in code} == set()
