"""What follows from the news of accounts: webhooks are given out, and go with their owner."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from accounts.signals import user_blotted_out, user_exported
from rates.coins.services import webhooks


@receiver(user_exported)
def give_webhooks(user_id: int, **kwargs: Any) -> dict[str, Any]:
    return {"webhooks": webhooks.exported(user_id)}


@receiver(user_blotted_out)
def forget_webhooks(user_id: int, **kwargs: Any) -> None:
    webhooks.forget(user_id)
