"""What other apps may hear about accounts. Sent after commit, so that receivers find the rows."""

from __future__ import annotations

from django.dispatch import Signal

# Arguments of both: user_id (int), address (str, EIP-55), chain_id (int, the last one signed on).
wallet_linked = Signal()
wallet_unlinked = Signal()
