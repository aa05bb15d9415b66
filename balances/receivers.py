"""What follows from the news of others: wallets are watched, queued work begins at once."""

from __future__ import annotations

from typing import Any

import structlog
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from accounts.models import User
from accounts.signals import (
    user_blotted_out,
    user_exported,
    wallet_linked,
    wallet_unlinked,
)
from balances import tasks
from balances.services import watches
from balances.signals import work_queued
from foundation.commits import after_commit

logger = structlog.get_logger(__name__)


@receiver(wallet_linked)
def watch_wallet(user_id: int, address: str, **kwargs: Any) -> None:
    watches.prove(user_id, address)


@receiver(wallet_unlinked)
def leave_wallet(user_id: int, address: str, **kwargs: Any) -> None:
    watches.unprove(user_id, address)


@receiver(user_logged_in)
def settle_wallets(user: User, **kwargs: Any) -> None:
    """What a lost connection kept from being watched then is watched from now on."""
    after_commit(watches.settle, user.pk)


@receiver(user_exported)
def give_watches(user_id: int, **kwargs: Any) -> dict[str, Any]:
    return {
        "watches": watches.exported(user_id),
        "token_preferences": watches.exported_preferences(user_id),
    }


@receiver(user_blotted_out)
def forget_user(user_id: int, **kwargs: Any) -> None:
    watches.forget(user_id)


@receiver(work_queued)
def begin_work(**kwargs: Any) -> None:
    """The rows are the queue: a message that is lost is made up for at the next turn."""
    try:
        tasks.read_at_block.apply_async(expires=30, retry=False)
    except (OperationalError, RedisError) as problem:
        logger.warning("no worker was woken", error=repr(problem))
