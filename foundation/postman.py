"""An OpenAPI 3.1 document as a collection of Postman's format 2.1.

A folder for each tag, variables in place of the desk's address and of credentials, and bodies made
from the schema: its examples where it has them, else the plainest value that fits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from foundation.api_schema import METHODS

FORMAT: Final = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
# Which variable holds the credential of a security scheme.
CREDENTIALS: Final = {"apiToken": "token", "organisationKey": "organisationKey"}
VARIABLES: Final = {
    "baseUrl": ("http://127.0.0.1:8000", "The desk, without a slash at the end."),
    "token": ("", "A token of the account page: qs_..."),
    "organisationKey": ("", "A key of the organisation's page: qo_..."),
    "csrfToken": ("", "The cookie csrftoken, where a session is asked for."),
}
# Values that are valid where a schema says a format and no more.
FORMATS: Final = {
    "uuid": "01980a3e-7c00-7000-8000-000000000000",
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "email": "ann@example.com",
    "decimal": "1",
}

Json = dict[str, Any]


def collection(document: Json) -> Json:
    """The whole collection. The same document always gives the same."""
    folders: dict[str, list[Json]] = {}
    for path, method, operation in _operations(document):
        (tag, *_) = operation["tags"]
        folders.setdefault(tag, []).append(_item(document, path, method, operation))
    info = document["info"]
    return {
        "info": {
            "name": info["title"],
            "description": info.get("description", ""),
            "version": info["version"],
            "schema": FORMAT,
        },
        "auth": _bearer("token"),
        "variable": [
            {"key": key, "value": value, "description": about, "type": "string"}
            for key, (value, about) in VARIABLES.items()
        ],
        "item": [{"name": tag, "item": folders[tag]} for tag in sorted(folders)],
    }


def _operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method in METHODS:
                yield path, method, operation


def _item(document: Json, path: str, method: str, operation: Json) -> Json:
    parameters = operation.get("parameters", [])
    headers = [_field(p, document) for p in parameters if p["in"] == "header"]
    request: Json = {"method": method.upper(), "url": _url(path, parameters, document)}
    auth = _auth(operation)
    if auth is not None:
        request["auth"] = auth
    if _by_session_alone(operation) and method != "get":
        headers.append({"key": "X-CSRFToken", "value": "{{csrfToken}}"})
    if (body := _body(document, operation)) is not None:
        kind, request["body"] = body
        headers.append({"key": "Content-Type", "value": kind})
    about = operation.get("description") or operation.get("summary") or ""
    return {
        "name": operation.get("summary") or _words(operation["operationId"]),
        "request": {**request, "header": headers, "description": about},
        "response": [],
    }


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _url(path: str, parameters: list[Json], document: Json) -> Json:
    query = [_field(p, document) for p in parameters if p["in"] == "query"]
    plain = re.sub(r"\{(\w+)\}", r":\1", path)
    written = "&".join(f"{p['key']}={p['value']}" for p in query if not p.get("disabled"))
    return {
        "raw": f"{{{{baseUrl}}}}{plain}" + (f"?{written}" if written else ""),
        "host": ["{{baseUrl}}"],
        "path": plain.strip("/").split("/"),
        "query": query,
        "variable": [
            {**_field(p, document), "disabled": False} for p in parameters if p["in"] == "path"
        ],
    }


def _field(parameter: Json, document: Json) -> Json:
    """A parameter as Postman lists it; what may be left out is there to be ticked."""
    value = _example(parameter["schema"], document)
    return {
        "key": parameter["name"],
        "value": value if isinstance(value, str) else json.dumps(value),
        "description": parameter.get("description", ""),
        "disabled": not parameter.get("required", False),
    }


def _auth(operation: Json) -> Json | None:
    """``None`` is the collection's own. Where none is asked for, an empty token would be wrong."""
    schemes = [name for one in operation.get("security", [{}]) for name in one or [""]]
    if "" in schemes or not set(schemes) & set(CREDENTIALS):
        return {"type": "noauth"}
    first = next(name for name in schemes if name in CREDENTIALS)
    return None if first == "apiToken" else _bearer(CREDENTIALS[first])


def _by_session_alone(operation: Json) -> bool:
    named = {name for one in operation.get("security", [{}]) for name in one}
    return not named & set(CREDENTIALS)


def _bearer(variable: str) -> Json:
    value = {"key": "token", "value": f"{{{{{variable}}}}}", "type": "string"}
    return {"type": "bearer", "bearer": [value]}


def _body(document: Json, operation: Json) -> tuple[str, Json] | None:
    """The media type and the body of a request that has one; JSON where there is a choice."""
    offered: Mapping[str, Json] = operation.get("requestBody", {}).get("content", {})
    if not offered:
        return None
    kind = "application/json" if "application/json" in offered else next(iter(offered))
    written = [one["value"] for one in offered[kind].get("examples", {}).values()]
    value = written[0] if written else _example(offered[kind]["schema"], document)
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return kind, {"mode": "raw", "raw": text, "options": {"raw": {"language": "json"}}}


def _example(schema: Json, document: Json, called: str = "") -> Any:
    """The plainest value that fits; a text without a form of its own is its field's name."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return _example(document["components"]["schemas"][name], document, called)
    for one in ("example", "default", "const"):
        if one in schema:
            return schema[one]
    for several in ("examples", "enum"):
        if schema.get(several):
            return schema[several][0]
    for choice in ("allOf", "oneOf", "anyOf"):
        if choice in schema:
            return _example(schema[choice][0], document, called)
    return _plainest(schema, document, called)


def _plainest(schema: Json, document: Json, called: str) -> Any:
    kinds = schema.get("type", "object")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if kind == "object":
        fields = schema.get("properties", {})
        return {name: _example(fields[name], document, name) for name in _sent(schema)}
    if kind == "array":
        return [_example(schema["items"], document, called)]
    if kind in ("integer", "number"):
        return max(schema.get("minimum", 1), 1)
    return False if kind == "boolean" else FORMATS.get(schema.get("format", ""), called)


def _sent(schema: Json) -> list[str]:
    """The fields that must be sent; where none must be, all that may."""
    fields = [
        name for name, field in schema.get("properties", {}).items() if not field.get("readOnly")
    ]
    required = [name for name in fields if name in schema.get("required", [])]
    return required or fields
