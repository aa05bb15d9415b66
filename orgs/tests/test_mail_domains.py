"""Domains in one spelling, and the verdict on them."""

from __future__ import annotations

import pytest

from foundation.errors import InvalidInput
from orgs.constants import MailKind
from orgs.services import ingest
from orgs.services.domains import normalise
from orgs.services.verdicts import judge

UNKNOWN, CATCH_ALL, NOT_CATCH_ALL = "unknown", "catch-all", "not catch-all"


@pytest.mark.parametrize(
    ("given", "spelled"),
    [
        ("example.com", "example.com"),
        ("ExAmPle.COM", "example.com"),
        ("example.com.", "example.com"),
        ("Bücher.Example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("_dmarc.example.com", "_dmarc.example.com"),
        ("localhost", "localhost"),
        (".".join(["a" * 63] * 3) + "." + "b" * 61, ".".join(["a" * 63] * 3) + "." + "b" * 61),
    ],
)
def test_a_domain_has_one_spelling(given, spelled):
    assert normalise(given) == spelled
    assert normalise(spelled) == spelled


@pytest.mark.parametrize(
    "given",
    [
        "",
        ".",
        "..",
        "a..b",
        ".example.com",
        "example.com..",
        "-a.com",
        "a-.com",
        "a b.com",
        "a@b.com",
        "a\x00.com",
        "a\n.com",
        "example.com\n",
        "a" * 64 + ".com",
        ".".join(["a" * 63] * 4),
        "x" * 1_000_000,
        "é" * 300,
        "\ud800.com",
        "a\ufffd.com",
        "a/b.com",
        "exam%70le.com",
    ],
)
def test_what_is_no_domain_name_is_refused(given):
    with pytest.raises(InvalidInput) as refused:
        normalise(given)
    assert refused.value.code == "invalid_domain"
    assert "domain" in refused.value.fields


@pytest.mark.parametrize(
    ("delivered", "bounced", "verdict"),
    [
        (0, 0, UNKNOWN),
        (999, 0, UNKNOWN),
        (1000, 0, CATCH_ALL),
        (1001, 0, CATCH_ALL),
        (0, 1, NOT_CATCH_ALL),
        (1000, 1, NOT_CATCH_ALL),
        (5_000_000_000, 1, NOT_CATCH_ALL),
    ],
)
def test_a_thousand_deliveries_or_one_bounce_settle_it(delivered, bounced, verdict):
    assert judge(delivered, bounced) == verdict


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/v1/domain/", "/domains/"])
def test_a_verdict_is_a_json_string(client, path):
    assert client.get(path + "never-seen.example").content == b'"unknown"'
    ingest.count_one("seen.example", MailKind.BOUNCED)
    answer = client.get(path + "SEEN.example.")
    assert (answer.status_code, answer.content) == (200, b'"not catch-all"')
    assert answer["Content-Type"] == "application/json"


@pytest.mark.django_db
@pytest.mark.parametrize("bounce_at", [0, 1000])
def test_a_bounce_first_or_last_is_the_same(client, bounce_at):
    for number in range(1001):
        kind = MailKind.BOUNCED if number == bounce_at else MailKind.DELIVERED
        ingest.count_one("a.example", kind)
    assert client.get("/domains/a.example").json() == NOT_CATCH_ALL


@pytest.mark.django_db
def test_a_verdict_on_no_domain_is_a_400(client):
    answer = client.get("/v1/domain/a..b")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_domain")


@pytest.mark.django_db
def test_counters_of_a_domain_are_told_beside_its_verdict(client):
    ingest.count_one("a.example", MailKind.DELIVERED)
    assert client.get("/api/v1/domains/A.example").json() == {
        "domain": "a.example",
        "delivered": 1,
        "bounced": 0,
        "verdict": UNKNOWN,
    }
