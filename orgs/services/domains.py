"""One spelling for every domain, whichever door it comes through."""

from __future__ import annotations

import re
from typing import Final

import idna

from foundation.errors import InvalidInput
from orgs.constants import MAX_DOMAIN_OCTETS

# Letters, digits and hyphens, and the underscore that mail domains in the wild do carry.
ASCII_NAME: Final = re.compile(
    r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*", re.ASCII
)
REFUSAL: Final = f"This is not a domain name of at most {MAX_DOMAIN_OCTETS} octets."


def normalise(domain: str) -> str:
    """Lower case, A-labels, no final dot. Raises ``InvalidInput`` for what is no domain name."""
    # Work on a name grows with its length, and no name that is longer could pass.
    if len(domain) <= MAX_DOMAIN_OCTETS + 1:
        found = domain.lower() if domain.isascii() else _international(domain)
        name = found.removesuffix(".")
        if len(name) <= MAX_DOMAIN_OCTETS and ASCII_NAME.fullmatch(name):
            return name
    raise InvalidInput(REFUSAL, code="invalid_domain", fields={"domain": [REFUSAL]})


def _international(domain: str) -> str:
    """The A-labels of a name; an empty one, which nobody accepts, where it has none."""
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return ""
