"""The Postman collection is the API's description, in Postman's form."""

from __future__ import annotations

import json

import jsonschema
import pytest
import yaml
from django.conf import settings
from django.core.management import call_command

COLLECTION = settings.BASE_DIR / "docs" / "quayside.postman_collection.json"
TEXT = {"type": "string"}
PAIRS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["key", "value"],
        "properties": {"key": {"type": "string", "minLength": 1}, "value": TEXT},
    },
}
# What Postman's own schema of format 2.1 asks of the parts that are used here.
FORM = {
    "type": "object",
    "required": ["info", "item"],
    "properties": {
        "info": {
            "type": "object",
            "required": ["name", "schema"],
            "properties": {"schema": {"pattern": r"/collection/v2\.1\.0/collection\.json$"}},
        },
        "auth": {"$ref": "#/$defs/auth"},
        "variable": PAIRS,
        "item": {"type": "array", "items": {"$ref": "#/$defs/folder"}},
    },
    "$defs": {
        "auth": {
            "type": "object",
            "required": ["type"],
            "properties": {"type": {"enum": ["bearer", "noauth"]}, "bearer": PAIRS},
        },
        "folder": {
            "type": "object",
            "required": ["name", "item"],
            "properties": {
                "name": TEXT,
                "item": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/request"}},
            },
        },
        "request": {
            "type": "object",
            "required": ["name", "request", "response"],
            "properties": {
                "name": {"type": "string", "minLength": 1},
                "response": {"type": "array"},
                "request": {
                    "type": "object",
                    "required": ["method", "url", "header"],
                    "properties": {
                        "method": {"enum": ["GET", "PUT", "POST", "PATCH", "DELETE"]},
                        "header": PAIRS,
                        "auth": {"$ref": "#/$defs/auth"},
                        "body": {
                            "type": "object",
                            "required": ["mode", "raw"],
                            "properties": {"mode": {"const": "raw"}, "raw": TEXT},
                        },
                        "url": {
                            "type": "object",
                            "required": ["raw", "host", "path"],
                            "properties": {
                                "raw": {"type": "string", "pattern": r"^\{\{baseUrl\}\}/"},
                                "path": {"type": "array", "items": TEXT},
                                "query": PAIRS,
                                "variable": PAIRS,
                            },
                        },
                    },
                },
            },
        },
    },
}


@pytest.fixture(scope="module")
def collection():
    return json.loads(COLLECTION.read_text())


def requests(collection):
    return [item["request"] for folder in collection["item"] for item in folder["item"]]


def request_of(collection, method, path):
    (found,) = (
        request
        for request in requests(collection)
        if (request["method"], "/".join(request["url"]["path"])) == (method, path)
    )
    return found


def test_the_collection_is_what_its_command_writes(tmp_path):
    made = tmp_path / "collection.json"
    call_command("postman", file=made, verbosity=0)
    assert made.read_text() == COLLECTION.read_text(), "run manage.py postman"


def test_it_has_the_form_that_postman_reads(collection):
    jsonschema.validate(collection, FORM)


@pytest.mark.django_db
def test_every_operation_is_in_it_once(collection, client):
    document = yaml.safe_load(client.get("/api/schema").content)
    operations = {
        (method.upper(), path.strip("/").replace("{", ":").replace("}", ""))
        for path, methods in document["paths"].items()
        for method in methods
    }
    listed = [(r["method"], "/".join(r["url"]["path"])) for r in requests(collection)]
    assert set(listed) == operations
    assert len(listed) == len(operations)


def test_every_variable_that_is_used_is_there(collection):
    used = {name.split("}}")[0] for name in json.dumps(collection).split("{{")[1:]}
    assert used == {variable["key"] for variable in collection["variable"]}


def test_public_reads_send_no_token_and_others_the_one_they_take(collection):
    public = request_of(collection, "GET", "api/v1/rates")
    assert public["auth"] == {"type": "noauth"}
    assert "auth" not in request_of(collection, "GET", "api/v1/watches")
    (key,) = request_of(collection, "POST", "api/v1/events")["auth"]["bearer"]
    assert key["value"] == "{{organisationKey}}"
    by_session = request_of(collection, "POST", "api/v1/watches")
    assert {"key": "X-CSRFToken", "value": "{{csrfToken}}"} in by_session["header"]


def test_bodies_hold_the_fields_that_may_be_sent(collection):
    body = json.loads(request_of(collection, "PUT", "api/v1/rates/:pair/spread")["body"]["raw"])
    assert body == {"unit": "bps", "buy": "35", "sell": "-35", "reason": "quiet market"}
    (event,) = json.loads(request_of(collection, "POST", "api/v1/events")["body"]["raw"])
    assert set(event) == {"kind", "event_id", "ts", "domain"}
    change = json.loads(request_of(collection, "PATCH", "api/v1/watches/:watch_id")["body"]["raw"])
    assert {"label", "hidden"} <= set(change)
    assert "id" not in json.loads(request_of(collection, "POST", "api/v1/webhooks")["body"]["raw"])
