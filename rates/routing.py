"""What browsers may subscribe to. Importing this registers it, once, at start."""

from __future__ import annotations

from live import topics
from rates import constants as c
from rates.services.board import stale_form

topics.register(
    topics.Topic(
        name=c.TOPIC,
        channel=c.channel_quotes(),
        snapshot=c.key_quotes(),
        state_event=c.STATE_EVENT,
        silent_after=c.FEED_SILENCE,
        stale_form=stale_form,
    )
)
