"""Watches as the API takes them. What a value may be is for the service to say."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class StrictBody(serializers.Serializer[Any]):
    """A misspelt optional field must not be dropped in silence."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        unknown = set(self.initial_data) - set(self.fields)
        if unknown:
            raise serializers.ValidationError(
                {str(name)[:64]: ["There is no such field."] for name in sorted(unknown)[:10]}
            )
        return attrs


class WatchChangeSerializer(StrictBody):
    """The body of ``PATCH /api/v1/watches/{id}``; only what is given changes."""

    # A field has an attribute of this name, which this one hides.
    label = serializers.CharField(  # type: ignore[assignment]
        required=False, allow_blank=True, max_length=200
    )
    group = serializers.CharField(required=False, allow_blank=True, max_length=200)
    colour = serializers.CharField(required=False, allow_blank=True, max_length=20)
    hidden = serializers.BooleanField(required=False)


class WatchAddSerializer(StrictBody):
    """The body of ``POST /api/v1/watches``."""

    address = serializers.CharField(max_length=200, help_text="0x and 40 hex digits.")
    chain = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=2**63 - 1,
        help_text="Left out or null: every chain.",
    )
    # A field has an attribute of this name, which this one hides.
    label = serializers.CharField(  # type: ignore[assignment]
        required=False, allow_blank=True, max_length=200
    )
    group = serializers.CharField(required=False, allow_blank=True, max_length=200)
    colour = serializers.CharField(required=False, allow_blank=True, max_length=20)
