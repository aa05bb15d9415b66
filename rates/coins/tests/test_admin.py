"""Sources and aliases in the admin: what an administrator may set, and what nobody may."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from rates.models import CoinAlias, CoinSource, CoinSourceState

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client):
    client.force_login(User.objects.create_superuser("root", password="x"))
    return client


def change(admin, source, **facts):
    form = {"rows": "500", "key_variable": "X_API_KEY", "wire": "v3", "enabled": "on"}
    return admin.post(f"/admin/rates/coinsource/{source.pk}/change/", form | facts)


def test_the_list_shows_health_and_budget_and_no_key(admin, monkeypatch):
    monkeypatch.setenv("COINMARKETCAP_API_KEY", "very-secret")
    page = admin.get("/admin/rates/coinsource/")
    assert page.status_code == 200
    assert b"15,000" in page.content
    assert b"very-secret" not in page.content


def test_the_list_reads_no_rows_of_any_source(admin):
    CoinSourceState.objects.update(rows=[["secretly-long-row"]])
    with CaptureQueriesContext(connection) as asked:
        page = admin.get("/admin/rates/coinsource/")
    assert b"never asked, 1 rows" in page.content
    read = [query["sql"] for query in asked if '"tried_at"' in query["sql"]]
    assert len(read) == 1
    assert '"rows")' in read[0]  # counted
    assert '"rates_coinsourcestate"."rows",' not in read[0]


def test_saving_a_source_lets_it_be_asked_again(admin):
    source = CoinSource.objects.get(name="coinmarketcap")
    from rates.coins.tests.market import START

    CoinSourceState.objects.filter(source=source).update(next_allowed_at=START)
    assert change(admin, source, rank_position="5").status_code == 302
    source.refresh_from_db()
    assert source.rank_position == 5
    assert source.state.next_allowed_at is None


@pytest.mark.parametrize("name", ["SECRET_KEY", "DATABASE_URL", "x_api_key", "A-API_KEY"])
def test_only_variables_of_keys_may_be_named(admin, name):
    source = CoinSource.objects.get(name="coinmarketcap")
    assert change(admin, source, key_variable=name).status_code == 200
    source.refresh_from_db()
    assert source.key_variable == "COINMARKETCAP_API_KEY"


def test_sources_are_neither_added_nor_deleted(admin):
    source = CoinSource.objects.get(name="coingecko")
    assert admin.get("/admin/rates/coinsource/add/").status_code == 403
    assert admin.get(f"/admin/rates/coinsource/{source.pk}/delete/").status_code == 403


def test_an_alias_is_one_coin_for_each_name_of_a_source(admin):
    source = CoinSource.objects.get(name="coingecko")
    form = {"source": source.pk, "key": "bitcoin", "coin": "bitcoin"}
    assert admin.post("/admin/rates/coinalias/add/", form).status_code == 302
    assert admin.post("/admin/rates/coinalias/add/", form).status_code == 200
    assert CoinAlias.objects.count() == 1
