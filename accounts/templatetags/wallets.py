"""What templates may know of wallet sign-in."""

from __future__ import annotations

from django import template
from django.conf import settings

register = template.Library()


@register.simple_tag
def wallet_sign_in() -> dict[str, bool]:
    """``on``: wallets are accepted here. ``demo``: a wallet with public keys is offered too."""
    return {"on": bool(settings.SIWE_DOMAIN), "demo": settings.DEMO}
