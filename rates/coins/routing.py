"""What browsers may subscribe to. Importing this registers it, once, at start."""

from __future__ import annotations

from live import topics
from rates.coins.services import notices

topics.register(notices.TOPIC)
