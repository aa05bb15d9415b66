"""The overview, the chain and balances as a browser without JavaScript sees them."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from balances.models import Address, Balance, Chain, TokenPreference, Watch
from balances.services import watches
from balances.templatetags.chains import amount, exactly, gas_width, short
from balances.tests import ledger
from balances.tests.people import signed_in
from balances.views.address import drawn
from balances.views.chain import base_units
from foundation.errors import InvalidInput
from rates.coins.tests.market import put
from rates.tests.desk import make_pair
from rates.tests.quotes import message, publish
from rates.tests.test_pages import text_of

pytestmark = pytest.mark.django_db

ONE = ledger.text(1)
PAGE = f"/balances/{ONE}/"


@pytest.fixture
def chain():
    return ledger.make_chain(head=30, name="Testing")


@pytest.fixture
def coin(chain):
    return ledger.native(chain)


@pytest.fixture
def held(coin):
    """Address 1: 1 ETH from block 3 on, 2.5 ETH from block 9 on."""
    address = ledger.make_address(1)
    ledger.make_history(address, coin, {3: 10**18, 9: 25 * 10**17})
    return address


@pytest.fixture
def ann():
    return signed_in("ann")


@pytest.fixture(autouse=True)
def no_node(monkeypatch):
    """A page that asks a node fails its test."""

    def refuse(*args, **kwargs):
        raise AssertionError("a page asked a node")

    monkeypatch.setattr("foundation.evm.node.Node.call", refuse)
    monkeypatch.setattr("foundation.evm.node.Node.batch", refuse)


def quote_ether():
    make_pair("ETH_USD", price_decimals=2)
    publish(message("ETH_USD"))


# --- Overview ------------------------------------------------------------------------------


def test_the_overview_invites_a_stranger_and_shows_rates_and_blocks(client, chain):
    quote_ether()
    seen = text_of(client.get("/"))
    for part in ("ETH/USD", "84,781.70", "Newest blocks", "30", "Create an account"):
        assert part in seen
    assert "All balances" not in seen


def test_the_overview_of_a_user_says_what_is_theirs_and_nothing_of_others(ann, held):
    quote_ether()
    watches.add(ann.user, ONE, label="Treasury")
    assert "Treasury" in text_of(ann.get("/"))
    assert "Treasury" not in text_of(signed_in("bob").get("/"))


def test_an_empty_desk_says_what_comes_next_on_every_page(client):
    for path, words in {"/": "No chain yet", "/chain/": "No chain yet"}.items():
        assert words in text_of(client.get(path))


# --- The chain -----------------------------------------------------------------------------


def test_the_chain_shows_blocks_and_transactions_newest_first(client, chain):
    ledger.make_tx(chain, 8, 2, 1, 5 * 10**17)
    ledger.make_tx(chain, 9, 1, None, 0, ok=False)
    body = client.get("/chain/").content.decode()
    assert body.index('data-block="30"') < body.index('data-block="29"')
    assert body.index('data-number="9"') < body.index('data-number="8"')
    assert "0.500000 ETH" in text_of(client.get("/chain/"))


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({"address": ONE}, {8, 9, 10}),
        ({"address": ONE, "direction": "in"}, {8, 10}),
        ({"address": ONE, "direction": "out"}, {9}),
        ({"min_value": "2"}, {10, 11}),
        ({"min_value": "2", "address": ONE}, {10}),
    ],
)
def test_filters_are_applied_on_the_server(client, chain, query, numbers):
    for number, sender, recipient, ether in (
        (8, 2, 1, 1),
        (9, 1, 3, 1),
        (10, 2, 1, 5),
        (11, 2, 3, 5),
    ):
        ledger.make_tx(chain, number, sender, recipient, ether * 10**18)
    body = client.get("/chain/", query).content.decode()
    assert {int(found) for found in re.findall(r'data-number="(\d+)"', body)} == numbers


def test_a_token_as_filter_shows_what_was_moved_of_it(client, chain):
    token = ledger.make_token(chain, 0xC0, symbol="USDC", decimals=6)
    tx = ledger.make_tx(chain, 9, 2, 0xC0, 0)
    ledger.make_transfer(token, 9, 2, 1, 1_500_000, tx_hash=bytes(tx.hash))
    seen = text_of(client.get("/chain/", {"token": f"0x{'c0':0>40}"}))
    assert "1.500000 USDC" in seen


def test_each_filter_is_a_chip_that_takes_it_away(client, chain):
    body = client.get("/chain/", {"address": ONE, "min_value": "2"}).content.decode()
    assert f'href="/chain/?address={ONE}"' in body
    assert 'href="/chain/?min_value=2"' in body


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"address": "0x12"}, 400),
        ({"address": "vitalik.eth"}, 400),
        ({"direction": "in"}, 400),
        ({"direction": "sideways"}, 400),
        ({"min_value": "-1"}, 400),
        ({"min_value": "1" * 90}, 400),
        ({"token": "0xnothing"}, 400),
        ({"before": "nonsense"}, 400),
        ({"chain": "77"}, 404),
        ({"chain": "' OR 1=1"}, 404),
    ],
)
def test_bad_filters_are_named_and_the_page_stays(client, chain, query, status):
    response = client.get("/chain/", query)
    assert response.status_code == status
    assert "Testing" in text_of(response)


def test_older_transactions_are_a_page_away(client, chain):
    for place in range(30):
        ledger.make_tx(chain, 5 + place % 20, 2, 1, place)
    body = client.get("/chain/").content.decode()
    older = re.search(r'href="([^"]+)" rel="next"', body)
    assert older is not None
    second = client.get(older[1].replace("&amp;", "&")).content.decode()
    assert len(re.findall(r'data-number="\d+"', second)) == 5


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"state": "halted", "state_reason": "wrong_chain"}, "Halted"),
        ({"state": "down"}, "Down"),
        ({"state": "lagging"}, "Stale"),
        ({"head_seen_at": timezone.now() - timedelta(minutes=3)}, "Stale"),
        ({}, "Live"),
    ],
)
def test_the_state_of_a_chain_is_a_word_and_its_pages_stay(client, chain, facts, words):
    Chain.objects.filter(pk=chain.pk).update(**facts)
    response = client.get("/chain/")
    assert response.status_code == 200
    assert f"{words}· block 30" in text_of(response)


def test_the_chains_queries_do_not_grow_with_what_happens(
    client, chain, django_assert_max_num_queries
):
    for place in range(25):
        ledger.make_tx(chain, 10, place, 1, place)
    with django_assert_max_num_queries(6):
        client.get("/chain/")


# --- The portfolio -------------------------------------------------------------------------


def test_balances_need_a_sign_in(client, held):
    for path in ("/balances/", PAGE, f"{PAGE}qr.svg", f"{PAGE}steps"):
        assert client.get(path).headers["Location"].startswith("/accounts/login/?next=/balances/")


def test_without_watches_the_page_says_how_to_begin(ann):
    seen = text_of(ann.get("/balances/"))
    assert "Nothing watched yet" in seen
    assert "Link a wallet" in seen


def test_an_address_is_added_with_its_label_and_shows_what_it_holds(ann, held):
    quote_ether()
    form = {"address": ONE, "label": "Treasury", "group": "Company", "colour": "#2563c9"}
    assert ann.post("/balances/", form).headers["Location"] == "/balances/"
    seen = text_of(ann.get("/balances/"))
    for part in ("Treasury", "Company", "2.500000", "210,899.62 USD", "Watch-only", "100.00%"):
        assert part in seen


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("0x12", "An address has 40 hex digits"),
        ("vitalik.eth", "Names are not looked up here"),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD", "a digit is mistyped"),
        ("", "This field is required"),
    ],
)
def test_what_is_no_address_is_told_in_the_form(ann, chain, address, words):
    response = ann.post("/balances/", {"address": address})
    assert response.status_code == 400
    assert words in text_of(response)


def test_the_same_address_twice_is_told_in_the_form(ann, held):
    watches.add(ann.user, ONE)
    response = ann.post("/balances/", {"address": ONE})
    assert response.status_code == 409
    assert "You watch this address already" in text_of(response)


def test_the_total_names_what_it_leaves_out(ann, held, chain):
    quote_ether()
    ledger.hold(held, ledger.make_token(chain, 0xC0, symbol="DUST"), 5)
    ledger.hold(held, ledger.make_token(chain, 0xC1, symbol="WAIT"), None, stale=True)
    watches.add(ann.user, ONE)
    Address.objects.update(looked_up_until=timezone.now())
    seen = text_of(ann.get("/balances/"))
    assert "1 asset without a price is not in it: DUST" in seen
    assert "still loading: not in it yet" in seen


def test_without_any_price_there_is_no_total_of_zero(ann, held):
    watches.add(ann.user, ONE)
    seen = text_of(ann.get("/balances/"))
    assert "Total No price" in seen
    assert "0.00 USD" not in seen


def test_an_address_watched_twice_counts_once(ann, held, chain):
    quote_ether()
    watches.add(ann.user, ONE)
    watches.add(ann.user, ONE, chain=chain)
    assert "Total 210,899.62 USD" in text_of(ann.get("/balances/"))


def test_hidden_addresses_are_not_in_the_total_and_can_be_shown(ann, held):
    quote_ether()
    watch = watches.add(ann.user, ONE, label="Attic")
    door = f"/balances/watches/{watch.pk}/"
    ann.post(door, {"label": "Attic", "hidden": "on"}, follow=True)
    seen = text_of(ann.get("/balances/"))
    assert "Attic" not in seen
    assert "Show 1 hidden" in seen
    assert "210,899" not in seen
    assert "Attic" in text_of(ann.get("/balances/?hidden=1"))


def test_a_watch_is_changed_and_removed_by_its_owner_only(ann, held):
    watch = watches.add(ann.user, ONE, label="Mine")
    bob = signed_in("bob")
    for door in ("", "remove"):
        assert bob.post(f"/balances/watches/{watch.pk}/{door}", {"label": "x"}).status_code == 404
    ann.post(f"/balances/watches/{watch.pk}/", {"label": "Renamed", "colour": "#0f8a6a"})
    watch.refresh_from_db()
    assert (watch.label, watch.colour, watch.hidden) == ("Renamed", "#0f8a6a", False)
    ann.post(f"/balances/watches/{watch.pk}/remove")
    assert not Watch.objects.exists()


def test_a_linked_wallet_cannot_be_removed_here(ann, held):
    watch = watches.add(ann.user, ONE, proven=True)
    response = ann.post(f"/balances/watches/{watch.pk}/remove", follow=True)
    assert "unlink it on the account page" in text_of(response)
    assert Watch.objects.exists()


def test_a_refused_change_is_told(ann, held):
    watch = watches.add(ann.user, ONE)
    response = ann.post(f"/balances/watches/{watch.pk}/", {"colour": "red"}, follow=True)
    assert "Write # and six hex digits" in text_of(response)


def queries_of(client, path):
    # Without a list of coins it is looked for anew each second.
    put("ETH")
    client.get(path)
    with CaptureQueriesContext(connection) as queries:
        client.get(path)
    return len(queries)


def test_the_portfolios_queries_do_not_grow_with_what_is_watched(ann, chain, coin):
    counted = []
    for numbers in (range(1, 3), range(3, 20)):
        for number in numbers:
            ledger.hold(ledger.make_address(number), coin, number)
            watches.add(ann.user, ledger.raw(number))
        counted.append(queries_of(ann, "/balances/"))
    assert counted[0] == counted[1] <= 16


def test_many_addresses_are_pages_and_the_total_is_of_all(ann, coin, monkeypatch):
    monkeypatch.setattr("balances.views.portfolio.CARDS", 2)
    quote_ether()
    for number in range(1, 6):
        ledger.hold(ledger.make_address(number), coin, 10**18)
        watches.add(ann.user, ledger.raw(number))
    first, last = (ann.get("/balances/", {"page": page}) for page in ("1", "3"))
    assert [len(re.findall("data-watch=", r.content.decode())) for r in (first, last)] == [2, 1]
    assert "Total 421,799.25 USD" in text_of(first)
    assert "Page 3 of 3; the total is of all." in text_of(last)


def test_looking_up_leads_to_the_address_in_its_one_spelling(ann, chain):
    given = "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"
    response = ann.get("/balances/", {"address": f" {given} "})
    assert response.headers["Location"] == "/balances/0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed/"
    assert ann.get("/balances/", {"address": "nobody"}).status_code == 400


# --- One address ---------------------------------------------------------------------------


def test_the_address_page_shows_value_worth_state_and_age(ann, held):
    quote_ether()
    seen = text_of(ann.get(PAGE))
    for part in ("2.500000", "Exact", "210,899.62 USD", "ago"):
        assert part in seen


def test_anybody_signed_in_may_look_and_nobody_learns_the_label(ann, held):
    watches.add(ann.user, ONE, label="Secret plan")
    seen = text_of(signed_in("bob").get(PAGE))
    assert "2.500000" in seen
    assert "Secret plan" not in seen


def test_an_address_seen_for_the_first_time_is_loading_not_zero(ann, chain):
    seen = text_of(ann.get(f"/balances/{ledger.text(77)}/"))
    assert "Loading" in seen
    assert "0.000000" not in seen
    assert Address.objects.filter(raw=ledger.raw(0x77)).exists()


def test_at_a_block_the_value_of_then_is_shown(ann, held):
    response = ann.get(PAGE, {"block": "5"})
    seen = text_of(response)
    assert "What was held at block 5" in seen
    assert "1.000000" in seen
    assert "2.500000" not in seen


def test_at_a_time_the_last_block_until_then_answers(ann, held):
    moment = (ledger.at(9) + timedelta(seconds=3)).strftime("%Y-%m-%dT%H:%M:%S")
    seen = text_of(ann.get(PAGE, {"at": moment}))
    assert "block 9" in seen
    assert "2.500000" in seen


def test_before_it_was_followed_the_value_is_unknown_with_its_reason(ann, held):
    seen = text_of(ann.get(PAGE, {"block": "1"}))
    assert "Unknown: no archive" in seen
    assert "0.000000" not in seen


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ({"block": "31"}, 404, "no block 31 yet"),
        ({"block": "-1"}, 400, "whole number"),
        ({"block": "9" * 19}, 400, "lies between"),
        ({"block": "9" * 30}, 400, "at most 20 characters"),
        ({"block": "5", "at": "2026-01-01T00:00"}, 400, "not both"),
        ({"at": "yesterday"}, 400, "Write a date and a time"),
        ({"at": "2026-02-31T00:00"}, 400, "Write a date and a time"),
        ({"at": "2099-01-01T00:00"}, 400, "has not come yet"),
        ({"at": "2999-01-01T00:00"}, 400, "between the years 2000 and 2100"),
        ({"at": "0001-01-01T00:00"}, 400, "between the years 2000 and 2100"),
        ({"at": "0001-01-01T00:00+05:00"}, 400, "Write a date and a time"),
        ({"at": "2001-01-01T00:00"}, 404, "No chain was there yet"),
        ({"chain": "5", "block": "1"}, 400, "not one of the available choices"),
    ],
)
def test_a_moment_that_cannot_be_is_told_and_the_present_stays(ann, held, query, status, words):
    response = ann.get(PAGE, query)
    assert response.status_code == status
    assert words in text_of(response)
    assert "2.500000" in text_of(response)


@pytest.mark.parametrize("given", ["0x12", "vitalik.eth", "%3Cscript%3E", "0" * 200])
def test_what_is_no_address_is_a_404_that_says_why(ann, given):
    response = ann.get(f"/balances/{given}/")
    assert response.status_code == 404
    assert "This is not an address" in text_of(response)
    assert "<script>" not in response.content.decode()


def test_spam_is_kept_back_and_a_user_may_think_otherwise(ann, held, chain):
    spam = ledger.make_token(chain, 0xC1, symbol="FREE", status="spam")
    ledger.hold(held, spam, 10**18)
    assert "FREE" not in text_of(ann.get(PAGE))
    assert "1 hidden token, spam or put away by you: not in it." in text_of(ann.get(PAGE))
    assert "FREE" in text_of(ann.get(f"{PAGE}?spam=1"))
    door = reverse("balances:token-prefer", args=[spam.pk])
    assert ann.post(door, {"shown": "1", "address": ONE}).headers["Location"] == PAGE
    assert "FREE" in text_of(ann.get(PAGE))
    assert "FREE" not in text_of(signed_in("bob").get(PAGE))
    ann.post(door, {"shown": "", "address": ONE})
    assert not TokenPreference.objects.exists()


def test_a_listed_token_can_be_hidden(ann, held, chain):
    token = ledger.make_token(chain, 0xC0, symbol="DULL")
    ledger.hold(held, token, 5)
    ann.post(reverse("balances:token-prefer", args=[token.pk]), {"shown": "0", "address": ONE})
    assert "DULL" not in text_of(ann.get(PAGE)).replace("DULL is hidden from now on.", "")


def test_a_strangers_token_name_is_text_and_never_markup(ann, held, chain):
    token = ledger.make_token(chain, 0xC0, symbol="<b>X</b>", name='"><script>alert(1)</script>')
    ledger.hold(held, token, 5)
    body = ann.get(PAGE).content.decode()
    assert "<script>alert" not in body
    assert "<b>X" not in body


def test_a_token_without_decimals_is_in_base_units(ann, held, chain):
    token = ledger.make_token(chain, 0xC0, symbol="ODD", decimals=None)
    ledger.hold(held, token, 12345)
    assert "12,345 base units" in text_of(ann.get(PAGE))


def test_transfers_say_their_way_and_page_on(ann, held, chain, coin):
    for place in range(30):
        ledger.make_tx(chain, 1 + place % 20, 2 if place % 2 else 1, 1 if place % 2 else 2, 10**18)
    body = ann.get(PAGE).content.decode()
    assert "In" in text_of(ann.get(PAGE))
    assert "+1.000000 ETH" in text_of(ann.get(PAGE))
    older = re.search(r'href="(\?[^"]+)" rel="next"', body)
    assert older is not None
    second = ann.get(PAGE + older[1].replace("&amp;", "&"))
    assert len(re.findall("data-tx=", second.content.decode())) == 5


@pytest.mark.parametrize(
    ("way", "seen", "unseen"), [("in", "+", "\N{MINUS SIGN}"), ("out", "\N{MINUS SIGN}", "+")]
)
def test_transfers_of_one_way_are_listed_and_exported_alike(ann, held, chain, way, seen, unseen):
    ledger.make_tx(chain, 4, 2, 1, 10**18)
    ledger.make_tx(chain, 5, 1, 2, 10**18)
    answer = ann.get(f"{PAGE}?way={way}")
    assert f"{seen}1.000000 ETH" in text_of(answer)
    assert f"{unseen}1.000000 ETH" not in text_of(answer)
    exported = re.search(r'href="(/api/[^"]+/transfers\?[^"]+)"', answer.content.decode())
    assert exported is not None
    rows = b"".join(ann.get(exported[1].replace("&amp;", "&"))).decode().splitlines()
    assert len(rows) == 2
    assert f",{way}," in rows[1]


def test_the_toggles_of_the_page_keep_what_else_was_asked(ann, held, chain):
    ledger.hold(held, ledger.make_token(chain, 0xC1, symbol="FREE", status="spam"), 10**18)
    body = ann.get(f"{PAGE}?block=5&way=in").content.decode()
    assert 'href="?block=5&amp;way=in&amp;spam=1"' in body
    assert 'href="?block=5&amp;way=out"' in body


def test_an_old_link_with_a_broken_cursor_begins_at_the_newest(ann, held):
    assert ann.get(f"{PAGE}?before=nonsense").status_code == 200


def test_the_steps_of_the_chart_are_exact_texts(ann, held):
    rows = ann.get(f"{PAGE}steps", {"cell": f"{ledger.LOCAL}:native"}).json()["steps"]
    assert [row[1:] for row in rows] == [[str(10**18), 3, "exact"], [str(25 * 10**17), 9, "exact"]]
    assert rows[0][0] == int(ledger.at(3).timestamp())


@pytest.mark.parametrize("cell", ["", "5:native", f"{ledger.LOCAL}:0x12", f"{ledger.LOCAL}:{ONE}"])
def test_steps_of_what_is_not_there_are_refused_with_a_code(ann, held, cell):
    response = ann.get(f"{PAGE}steps", {"cell": cell})
    assert response.status_code in (400, 404)
    assert response.json()["error"]["code"]


def test_the_addresss_queries_do_not_grow_with_what_it_holds(ann, held, chain):
    counted = []
    for numbers in (range(0xC0, 0xC2), range(0xD0, 0xE0)):
        for number in numbers:
            ledger.hold(held, ledger.make_token(chain, number), number)
            ledger.make_tx(chain, number - 0xC0 + 1 if number < 0xD0 else 20, 2, 1, number)
        counted.append(queries_of(ann, PAGE))
    assert counted[0] == counted[1] <= 24


def test_the_largest_balance_there_can_be_is_shown_digit_for_digit(ann, held, chain):
    token = ledger.make_token(chain, 0xC0, decimals=18)
    Balance.objects.filter(address=held).update(value=2**256 - 1)
    ledger.hold(held, token, 2**256 - 1)
    assert str(2**256 - 1)[:-18] in ann.get(PAGE).content.decode()


# --- All of them ---------------------------------------------------------------------------


def test_no_page_holds_an_inline_style_or_script(ann, held):
    watches.add(ann.user, ONE, label="X", colour="#2563c9")
    for path in ("/", "/chain/", f"/chain/?address={ONE}", "/balances/", PAGE, f"{PAGE}?block=5"):
        body = ann.get(path).content.decode()
        assert not re.search(r"\sstyle=|<style|\son\w+=|<script(?![^>]*\bsrc=)", body), path


@pytest.mark.parametrize("path", ["/", "/chain/", PAGE])
def test_pages_cannot_be_posted_to(ann, path):
    assert ann.post(path).status_code == 405


# --- Figures -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "decimals", "shown"),
    [
        (0, 18, "0.000000"),
        (10**18, 18, "1.000000"),
        (1_999_999_999_999_999_999, 18, "1.999999"),
        (1, 18, "<\N{THIN SPACE}0.000001"),
        (150, 2, "1.50"),
        (1234567, 0, "1,234,567"),
        (7, None, "7"),
        (None, 18, "\N{EN DASH}"),
    ],
)
def test_an_amount_is_cut_and_never_rounded_up(value, decimals, shown):
    text = re.sub(r"<[^>]*>", "", str(amount(value, decimals))).replace("&lt;", "<")
    assert text == shown


def test_the_whole_of_an_amount_is_never_shortened():
    assert exactly(2**256 - 1, 18).replace(".", "") == str(2**256 - 1)
    assert f"{2**256 - 1:,}"[:20] in re.sub(r"<[^>]*>", "", str(amount(2**256 - 1, 0)))


@pytest.mark.parametrize(
    ("text", "decimals", "units"),
    [("1.5", 6, 1_500_000), ("1,000", 0, 1000), (".25", 2, 25), ("2.50", 1, 25), ("0", 18, 0)],
)
def test_what_people_write_becomes_base_units(text, decimals, units):
    assert base_units(text, decimals) == units


@pytest.mark.parametrize("text", ["1.23", "-1", "1e5", "one", "", ".", "0x5"])
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(InvalidInput):
        base_units(text, 1)


def test_small_words_of_figures():
    assert short(ONE) == "0x0000…0001"
    assert (gas_width(15, 30), gas_width(40, 30), gas_width(5, 0)) == ("50", "100", "0")


def test_a_qr_code_is_drawn_here_and_the_same_each_time(ann):
    picture = drawn(ONE)
    assert picture == drawn(ONE)
    assert picture != drawn(ledger.text(2))
    assert ann.get(f"{PAGE}qr.svg").headers["Content-Type"] == "image/svg+xml"
