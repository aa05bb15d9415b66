"""What other apps may hear about accounts. Sent after commit, so that receivers find the rows."""

from __future__ import annotations

from django.dispatch import Signal

# Arguments of both: user_id (int), address (str, EIP-55), chain_id (int, the last one signed on).
wallet_linked = Signal()
wallet_unlinked = Signal()

# Arguments of both: user_id (int), token_id (int), name (str), prefix (str, how the token begins).
token_created = Signal()
token_revoked = Signal()

# Sent when somebody who is signed in does what the desk counts: user_id (int), name (str, such as
# "quote.viewed") and about (str, what it was done to; may be empty). By ``acts.note`` only.
user_acted = Signal()

# Sent inside the transaction that closes an account, before anything is deleted, with user_id
# (int). A receiver that raises a ``QuaysideError`` refuses: nothing is closed. Others remove what
# names the user in rows that are not theirs.
user_closing = Signal()

# Sent while a user's data are put together, with user_id (int). A receiver returns its own
# sections, a name to plain values each.
user_exported = Signal()

# Sent inside the transaction that blots out a closed account whose row has to stay, with user_id
# (int). A receiver deletes what it keeps of the user; of rows that go the database takes care.
user_blotted_out = Signal()
