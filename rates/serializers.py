"""Spreads as the API reads and writes them. Offsets are strings: JSON numbers lose digits."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from rates.models import SpreadRule

OFFSET: dict[str, Any] = {"max_digits": 24, "decimal_places": 12}
CLAMP: dict[str, Any] = {"max_digits": 12, "decimal_places": 4}


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "In basis points",
            value={"unit": "bps", "buy": "35", "sell": "-35", "reason": "quiet market"},
            request_only=True,
        )
    ]
)
class SpreadEditSerializer(serializers.Serializer[Any]):
    """The body of ``PUT /api/v1/rates/{pair}/spread``."""

    unit = serializers.ChoiceField(choices=SpreadRule.Unit.choices)
    buy = serializers.DecimalField(**OFFSET, help_text="Added to the ask; normally positive.")
    sell = serializers.DecimalField(**OFFSET, help_text="Added to the bid; normally negative.")
    reason = serializers.CharField(max_length=500)
    min_bps = serializers.DecimalField(**CLAMP, required=False, allow_null=True)
    max_bps = serializers.DecimalField(**CLAMP, required=False, allow_null=True)
    effective_from = serializers.DateTimeField(required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        # A misspelt optional field must not be dropped in silence.
        unknown = set(self.initial_data) - set(self.fields)
        if unknown:
            raise serializers.ValidationError(
                {str(name)[:64]: ["There is no such field."] for name in sorted(unknown)[:10]}
            )
        return attrs


class SpreadVersionSerializer(serializers.ModelSerializer[SpreadRule]):
    """One version with who, when, why, and the values it followed."""

    pair = serializers.CharField(source="pair.code", default=None)
    buy = serializers.DecimalField(**OFFSET, normalize_output=True)
    sell = serializers.DecimalField(**OFFSET, normalize_output=True)
    min_bps = serializers.DecimalField(**CLAMP, normalize_output=True)
    max_bps = serializers.DecimalField(**CLAMP, normalize_output=True)
    by = serializers.CharField(source="created_by.username", default=None)
    approved_by = serializers.CharField(source="approved_by.username", default=None)
    rejected_by = serializers.CharField(source="rejected_by.username", default=None)
    follows = serializers.IntegerField(source="supersedes.version", default=None)

    class Meta:
        model = SpreadRule
        fields = [
            "pair",
            "version",
            "status",
            "unit",
            "buy",
            "sell",
            "min_bps",
            "max_bps",
            "effective_from",
            "effective_to",
            "reason",
            "origin",
            "by",
            "created_at",
            "approved_by",
            "approved_at",
            "rejected_by",
            "rejected_at",
            "rejection",
            "follows",
        ]
        read_only_fields = fields
