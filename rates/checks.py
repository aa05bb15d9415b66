"""System checks of the rates' settings."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from rates.services.four_eyes import MODES


@register()
def check_spread_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """``rates.E001``: an unknown four-eyes mode; ``rates.E002``: a threshold below zero."""
    problems: list[CheckMessage] = []
    if settings.RATES_FOUR_EYES not in MODES:
        problems.append(
            Error(
                f"RATES_FOUR_EYES is {settings.RATES_FOUR_EYES!r}.",
                hint=f"Use one of {', '.join(MODES)}.",
                id="rates.E001",
            )
        )
    thresholds = ("RATES_FOUR_EYES_THRESHOLD_BPS", "RATES_WARN_CHANGE_BPS")
    problems += [
        Error(f"{name} is below zero.", id="rates.E002")
        for name in thresholds
        if getattr(settings, name) < 0
    ]
    return problems
