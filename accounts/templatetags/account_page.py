"""Words of the account page."""

from __future__ import annotations

from django import template

from accounts.constants import EVENT_WORDS, EventKind
from accounts.models import SecurityEvent
from accounts.services import devices

register = template.Library()


@register.filter
def event_words(event: SecurityEvent) -> str:
    return EVENT_WORDS[EventKind(event.kind)]


@register.filter
def device(agent: str) -> str:
    return devices.device(agent)
