"""What other apps may hear about accounts. Sent after commit, so that receivers find the rows."""

from __future__ import annotations

from django.dispatch import Signal

# Arguments of both: user_id (int), address (str, EIP-55), chain_id (int, the last one signed on).
wallet_linked = Signal()
wallet_unlinked = Signal()

# Arguments of both: user_id (int), token_id (int), name (str), prefix (str, how the token begins).
token_created = Signal()
token_revoked = Signal()

# Sent while a user's data are put together, with user_id (int). A receiver returns its own
# sections, a name to plain values each.
user_exported = Signal()

# Sent inside the transaction that blots out a closed account whose row has to stay, with user_id
# (int). A receiver deletes what it keeps of the user; of rows that go the database takes care.
user_blotted_out = Signal()
