"""What every page may say about the product itself."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def product(request: HttpRequest) -> dict[str, object]:
    return {
        "site_name": settings.SITE_NAME,
        "version": settings.VERSION,
        "simulated": settings.SIMULATED,
    }
