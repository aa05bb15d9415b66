"""The refusal that every check of a proof raises."""

from __future__ import annotations

from foundation.errors import Unauthenticated


class WalletRefused(Unauthenticated):
    """The message or its signature proves nothing here; ``code`` says which check failed."""
