"""What a profile may say."""

from __future__ import annotations

from functools import cache
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError


@cache
def time_zones() -> tuple[str, ...]:
    """Every IANA name that this machine knows, in order; reading them takes a while."""
    return tuple(sorted(available_timezones() - {"localtime", "posixrules"}))


def validate_time_zone(name: str) -> None:
    if name not in time_zones():
        raise ValidationError("This is not a time zone of the IANA list.", code="time_zone")


def validate_printable(text: str) -> None:
    """Refuses what cannot be seen, such as marks that turn the direction of writing around."""
    if not text.isprintable():
        raise ValidationError("Use printable characters only.", code="unprintable")
