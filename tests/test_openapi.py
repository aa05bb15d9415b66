"""The API's description: complete, valid, and shown under our content policy."""

import re

import pytest
import yaml
from django.core.management import call_command

pytestmark = pytest.mark.django_db


@pytest.fixture
def document(client):
    response = client.get("/api/schema")
    assert response.status_code == 200
    return yaml.safe_load(response.content)


def test_the_description_is_valid_and_without_warnings(tmp_path):
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(tmp_path / "api.yml"))


def test_it_is_openapi_3_1_and_names_every_path(document):
    assert document["openapi"] == "3.1.0"
    assert set(document["paths"]) >= {
        "/api/v1/rates",
        "/api/v1/rates/{pair}",
        "/api/v1/rates/{pair}/candles",
        "/api/v1/rates/{pair}/spread",
        "/api/v1/rates/{pair}/spread/history",
    }


def test_candles_name_their_parameters_and_refusals(document):
    candles = document["paths"]["/api/v1/rates/{pair}/candles"]["get"]
    named = {parameter["name"] for parameter in candles["parameters"]}
    assert named == {"pair", "from", "to", "interval", "limit", "format", "If-None-Match"}
    assert set(candles["responses"]) == {*("200", "304", "400", "401", "404", "406", "429", "503")}
    assert set(candles["responses"]["200"]["headers"]) == {"ETag", "Cache-Control", "Link"}
    assert set(candles["responses"]["200"]["content"]) == {"application/json", "text/csv"}
    refused = candles["responses"]["400"]["content"]["application/json"]["schema"]
    assert refused["$ref"].endswith("/ErrorEnvelope")


def test_operations_are_grouped_by_what_they_are_about(document):
    tags = {
        tag
        for operations in document["paths"].values()
        for operation in operations.values()
        for tag in operation["tags"]
    }
    assert {"rates", "coins", "balances", "orgs", "events", "webhooks", "metrics"} <= tags
    assert not tags & {"api", "v1", "coins.csv"}


def test_public_reads_take_any_token_and_ask_for_none(document):
    security = document["paths"]["/api/v1/rates"]["get"]["security"]
    assert {} in security
    assert {"apiToken": []} in security


def test_operations_name_the_scope_that_a_token_needs(document):
    scheme = document["components"]["securitySchemes"]["apiToken"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    security = document["paths"]["/api/v1/rates/{pair}/spread"]["put"]["security"]
    assert security == [{"apiToken": ["operator"]}, {"cookieAuth": []}]


def test_the_documentation_page_needs_no_inline_script_or_style(client):
    page = client.get("/api/docs")
    text = page.content.decode()
    assert page.status_code == 200
    assert not re.search(r"<script(?![^>]* src=)", text)
    assert not re.search(r"<style|style=|onclick=", text)
    assert "unsafe" not in page["Content-Security-Policy"]


def test_the_documentations_script_is_a_file_of_our_own(client):
    page = client.get("/api/docs").content.decode()
    (script,) = re.findall(r'<script src="(/api/docs[^"]*)"', page)
    response = client.get(script)
    assert response["Content-Type"].startswith("application/javascript")
    assert b"/api/schema" in response.content
