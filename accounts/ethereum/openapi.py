"""What OpenAPI says of wallet sign-in, by hand: its doors are not DRF's."""

from __future__ import annotations

from typing import Any, Final

from accounts.ethereum.constants import Purpose

BASE: Final = "/api/v1/auth/wallet/"
PURPOSE: Final = {"type": "string", "enum": list(Purpose), "default": Purpose.LOGIN}
TEXT: Final = {"type": "string"}
MOMENT: Final = {"type": "string", "format": "date-time"}
CHAIN: Final = {"type": "integer", "examples": [1]}
ADDRESS: Final = {"type": "string", "description": "With its EIP-55 checksum."}
OK: Final = {"type": "boolean", "const": True}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": [*properties], "properties": properties}


USER: Final = _object(id={"type": "integer"}, username=TEXT)
ERROR: Final = _object(error=_object(code=TEXT, message=TEXT))
NONCE: Final = _object(
    nonce=TEXT,
    domain=TEXT,
    uri=TEXT,
    statement=TEXT,
    version={"type": "string", "const": "1"},
    chainIds={"type": "array", "items": CHAIN},
    issuedAt=MOMENT,
    expirationTime=MOMENT,
    user={"anyOf": [USER, {"type": "null"}]},
    reauthenticate={"type": "boolean"},
)
ATTEMPT: Final = {
    "type": "object",
    "required": ["message", "signature"],
    "properties": {
        "message": TEXT | {"maxLength": 2048, "description": "EIP-4361, exactly as signed."},
        "signature": TEXT | {"description": "`personal_sign` of the message, 65 bytes in hex."},
        "process": PURPOSE,
        "next": TEXT | {"description": "Where to go after a second factor, on this site."},
    },
}
REFUSALS: Final = {
    400: "`malformed_request`, `malformed_message`, `bad_checksum`",
    401: "`invalid_nonce`, `domain_mismatch`, `scheme_mismatch`, `uri_mismatch`, "
    "`chain_not_allowed`, `statement_mismatch`, `unexpected_field`, `issued_at_out_of_range`, "
    "`expired`, `expiration_out_of_range`, `not_yet_valid`, `malformed_signature`, "
    "`invalid_signature`, `not_authenticated`, `account_inactive`, `mfa_required`, "
    "`reauthentication_required`",
    403: "`csrf_failed`, `signup_closed`",
    404: "`not_found`: wallet sign-in is switched off here",
    409: "`connected_other`: the wallet belongs to another account",
    413: "`too_large`: more than 8 KB, or a message of more than 2,048 bytes",
    429: "`rate_limited`, with `Retry-After`",
    503: "`unavailable`, with `Retry-After`",
}


def describe(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """drf-spectacular's hook: adds the four doors to the document."""
    result["paths"].update(
        {
            f"{BASE}nonce": {"get": _nonce()},
            f"{BASE}verify": {"post": _verify()},
            f"{BASE}me": {"get": _me()},
            f"{BASE}logout": {"post": _logout()},
        }
    )
    return result


def _nonce() -> dict[str, Any]:
    purpose = {"name": "purpose", "in": "query", "schema": PURPOSE}
    text = "What the page needs to write a message to sign. Sets the CSRF cookie."
    return _operation("nonce", text, NONCE, 400, 401, 404, 429, 503, parameters=[purpose])


def _verify() -> dict[str, Any]:
    text = (
        "Signs in, links a wallet to the signed-in user, or proves presence again. Any "
        "attempt uses the nonce up. Needs the header `X-CSRFToken`."
    )
    answer = _object(ok=OK, user=USER, address=ADDRESS, chainId=CHAIN)
    body = {"required": True, "content": _json(ATTEMPT)}
    return _operation("verify", text, answer, *REFUSALS, requestBody=body)


def _me() -> dict[str, Any]:
    nothing = {"type": "null"}
    answer = _object(
        address={"anyOf": [ADDRESS, nothing]}, chainId={"anyOf": [CHAIN, nothing]}, user=USER
    )
    text = "The wallet that this session came through; both are null for an API token."
    return _operation("me", text, answer, 401, 429, 503)


def _logout() -> dict[str, Any]:
    text = "Ends the session; harmless to repeat. Needs the header `X-CSRFToken`."
    return _operation("logout", text, _object(ok=OK), 403, 503)


def _operation(
    name: str, text: str, answer: dict[str, Any], *refused: int, **more: Any
) -> dict[str, Any]:
    refusals = {
        str(status): {"description": REFUSALS[status], "content": _json(ERROR)}
        for status in refused
    }
    return {
        "operationId": f"auth_wallet_{name}",
        "description": text,
        "tags": ["auth"],
        **more,
        "responses": {"200": {"description": "", "content": _json(answer)}, **refusals},
    }


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
