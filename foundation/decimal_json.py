"""Reading JSON whose numbers are money."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import IO, Any, NoReturn

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class DecimalJSONParser(JSONParser):
    """DRF's parser, except that a number with a point becomes ``Decimal`` with all its digits."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Raises ``ParseError`` for anything that is not JSON, NaN and Infinity included."""
        try:
            return json.loads(stream.read(), parse_float=Decimal, parse_constant=_refuse)
        # Deep nesting exhausts the stack, a giant exponent the decimal context: both are bad input.
        except (ValueError, ArithmeticError, RecursionError) as problem:
            raise ParseError(f"The body is not JSON: {str(problem)[:200]}") from problem


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number")
