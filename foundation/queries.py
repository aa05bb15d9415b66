"""Query strings read strictly: what is misspelt or out of range is named, never ignored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.http import Http404
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.negotiation import DefaultContentNegotiation

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
# Longer texts are no numbers and no dates, and reading them costs time.
LONGEST = 40


class StrictQuery(serializers.Serializer[Any]):
    """Reads a query string. Unknown and repeated parameters are errors of their own field."""

    # Read by DRF's content negotiation, which runs earlier.
    format = serializers.CharField(required=False)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        problems: dict[str, list[Any]] = {}
        for name in list(data)[:20]:
            if name not in self.fields:
                problems[name[:LONGEST]] = [_("There is no such parameter.")]
            elif len(data.getlist(name)) > 1:
                problems[name] = [_("Give it once.")]
        if problems:
            raise serializers.ValidationError(problems)
        # As a form, an empty value would count as absent.
        read: dict[str, Any] = super().to_internal_value(data.dict())
        return read


class MomentField(serializers.Field[datetime, str, str, Any]):
    """ISO 8601, UTC where no zone is given, or whole seconds since 1970."""

    default_error_messages = {
        "invalid": _("Write ISO 8601, as 2026-01-31T12:00:00Z, or seconds since 1970."),
        "range": _("Give a time between the years 2000 and 2100."),
    }

    def to_internal_value(self, data: str) -> datetime:
        try:
            moment = self._read(data)
        except (ValueError, OverflowError):
            self.fail("invalid")
        if not EARLIEST <= moment < LATEST:
            self.fail("range")
        return moment

    def _read(self, data: str) -> datetime:
        if len(data) > LONGEST:
            raise ValueError("too long")
        if data.isascii() and data.isdigit():
            return datetime.fromtimestamp(int(data), UTC)
        try:
            moment = datetime.fromisoformat(data)
        except ValueError:
            # An unescaped plus sign of a zone arrives as a space.
            moment = datetime.fromisoformat(data.replace(" ", "+"))
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)

    def to_representation(self, value: datetime) -> str:
        return value.isoformat()


class NamedFormats(DefaultContentNegotiation):
    """Answers an unknown ``?format=`` with the formats there are, not as a missing page."""

    def filter_renderers(self, renderers: Any, format: str) -> Any:
        try:
            return super().filter_renderers(renderers, format)
        except Http404:
            known = ", ".join(str(renderer.format) for renderer in renderers)
            raise serializers.ValidationError({"format": [f"Known: {known}."]}) from None
