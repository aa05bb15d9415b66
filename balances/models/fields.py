"""Columns for what the EVM counts in."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import models


class Uint256Field(models.DecimalField):  # type: ignore[type-arg]
    """A whole number from 0 to 2**256 - 1, an ``int`` in Python and ``numeric(78, 0)`` stored.

    Decimal's arithmetic rounds to 28 digits, so none may touch such a number.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_digits"], kwargs["decimal_places"] = 78, 0
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        del kwargs["max_digits"], kwargs["decimal_places"]
        return name, path, args, kwargs

    def from_db_value(self, value: Decimal | None, *args: Any) -> int | None:
        return None if value is None else int(value)

    def to_python(self, value: Any) -> int | None:
        return None if value is None else int(value)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return None if value is None else Decimal(int(value))

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        if hasattr(value, "as_sql"):
            return value
        return self.get_db_prep_value(value, connection)
