"""What every operation of the API may answer besides what it says itself, and its group."""

from __future__ import annotations

from typing import Any, Final

METHODS: Final = frozenset({"get", "put", "post", "patch", "delete"})
ENVELOPE: Final = {"$ref": "#/components/schemas/ErrorEnvelope"}
TEXTS: Final = {
    400: "Refused; `fields` says what is wrong with which input.",
    401: "Not signed in, or the token is unknown or has ended.",
    403: "Signed in, and still not allowed.",
    404: "There is no such thing, or it is not yours to see.",
    406: "Asked for in a form that is not offered.",
    415: "Sent in a form that is not understood.",
    429: "Too many requests; see `Retry-After`.",
    503: "Something that this answer needs is away; see `Retry-After`.",
}


def describe_refusals(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """A hook of drf-spectacular: refusals that come from in front of every view."""
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            if method in METHODS:
                answers = operation["responses"]
                for status in _refusals(path, method, operation):
                    answers.setdefault(str(status), _answer(TEXTS[status]))
                operation["responses"] = dict(sorted(answers.items()))
    return result


def group_by_subject(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """A hook of drf-spectacular: a tag is the first word of an address that is a subject."""
    for path, operations in result["paths"].items():
        words = [word for word in path.strip("/").split("/") if word not in ("api", "v1")]
        for method, operation in operations.items():
            if method in METHODS:
                operation["tags"] = [words[0].partition(".")[0]]
    return result


def _refusals(path: str, method: str, operation: dict[str, Any]) -> list[int]:
    statuses = [400, 401, 429, 503]
    if {} not in operation.get("security", [{}]):
        statuses.append(403)
    if "{" in path:
        statuses.append(404)
    if method == "get":
        statuses.append(406)
    if "requestBody" in operation:
        statuses.append(415)
    return statuses


def _answer(text: str) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": ENVELOPE}}}
