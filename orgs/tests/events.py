"""Events as programs send them."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Final

from django.utils import timezone

from accounts.models import User
from orgs.models import KeyScope, Membership, Organisation, OrgRole
from orgs.services import ids, ingest, keys
from orgs.services.batches import Batch

# With QUAYSIDE_SHOWS=full tests are of the size of the shows: minutes instead of seconds.
IN_FULL: Final = os.environ.get("QUAYSIDE_SHOWS") == "full"


def moment(**ago):
    """ISO 8601 of now, or of so long ago."""
    return (timezone.now() - timedelta(**ago)).isoformat().replace("+00:00", "Z")


def mail(domain="example.com", kind="delivered", **fields):
    return {
        "kind": kind,
        "event_id": ids.new_id(),
        "ts": moment(),
        "domain": domain,
        **fields,
    }


def action(org=1, user=7, **fields):
    return {
        "kind": "action",
        "event_id": ids.new_id(),
        "ts": moment(),
        "org": org,
        "user": user,
        "name": "quote.viewed",
        **fields,
    }


def an_organisation(name="Acme", scopes=(KeyScope.EVENTS,)):
    """An organisation and the secret of a key of it."""
    org = Organisation.objects.create(name=name, slug=name.lower())
    owner = User.objects.create_user(f"owner-of-{name.lower()}")
    Membership.objects.create(org=org, user=owner, role=OrgRole.OWNER)
    _, secret = keys.create(org=org, by=owner, name="sender", scopes=list(scopes))
    return org, secret


def count_action(org=1, user=1, at=None):
    """An action that is stored already."""
    batch = Batch()
    batch.add_action(ids.new_id(), (at or timezone.now()).isoformat(), org, user, "seen")
    ingest.store(batch)
