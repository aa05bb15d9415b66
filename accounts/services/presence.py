"""Whether who is signed in has shown, minutes ago, to be there in person."""

from __future__ import annotations

import time

from allauth.account.internal.flows.login import get_authentication_records
from django.conf import settings
from django.http import HttpRequest

from foundation.errors import Unauthenticated


def require_proof(request: HttpRequest) -> None:
    """For what opens doors to others. Raises ``Unauthenticated``; sessions only can prove it."""
    if not proved_recently(request):
        problem = "Prove first that it is you, on the page of your account."
        raise Unauthenticated(problem, code="reauthentication_required")


def proved_recently(request: HttpRequest) -> bool:
    """By whatever means. allauth's own function lets pass whoever it has nothing to ask."""
    if not request.user.is_authenticated:
        return False
    records = get_authentication_records(request, request.user)
    proofs = [record["at"] for record in records if record.get("reauthenticated")]
    limit: int = settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
    return bool(proofs) and time.time() - proofs[-1] < limit
