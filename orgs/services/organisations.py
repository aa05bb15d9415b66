"""Organisations: founding and renaming them, and the mail domains they name as theirs."""

from __future__ import annotations

import secrets
from typing import Final

import structlog
from django.db import IntegrityError, transaction
from django.utils.text import slugify

from accounts.constants import EventKind
from accounts.models import User
from foundation.errors import Conflict, InvalidInput, NotFound
from orgs.models import Domain, Membership, Organisation, OrgRole, Stat
from orgs.models.organisations import MAX_NAME
from orgs.services import acts, domains
from orgs.services.rights import Act, require

logger = structlog.get_logger(__name__)

MAX_FOUNDED: Final = 20
MAX_DOMAINS: Final = 100
# Names of pages below /orgs/ are nobody's.
RESERVED: Final = frozenset(
    {"metrics", "join", "new", "export", "mine", "domains", "rows", "mail", "search", "api"}
)
# Room for the random end that tells two of the same name apart.
SLUG_STEM: Final = 60
SLUG_TRIES: Final = 5


@transaction.atomic
def found(*, by: User, name: str) -> Organisation:
    """A new organisation with ``by`` as its owner.

    Raises ``InvalidInput``, and ``Conflict`` for who owns ``MAX_FOUNDED`` already.
    """
    text = checked_name(name)
    # Of two requests at once the second waits here, and then counts the first one's.
    User.objects.select_for_update().get(pk=by.pk)
    if Membership.objects.filter(user=by, role=OrgRole.OWNER).count() >= MAX_FOUNDED:
        raise Conflict(f"You own {MAX_FOUNDED} organisations.", code="too_many_organisations")
    org = Organisation.objects.create(name=text, slug=_free_slug(text))
    Stat.objects.create(org_id=org.pk)
    Membership.objects.create(org=org, user=by, role=OrgRole.OWNER)
    return org


@transaction.atomic
def rename(*, org: Organisation, by: User, name: str) -> Organisation:
    """Give it another name; its addresses stay. Raises ``Forbidden`` and ``InvalidInput``."""
    require(by, org, Act.MANAGE)
    before, org.name = org.name, checked_name(name)
    org.save(update_fields=["name"])
    if org.name != before:
        detail = f"{before} is {org.name} now"
        acts.note(org=org, by=by, kind=EventKind.ORG_RENAMED, detail=detail)
    return org


def dissolve(*, org: Organisation, by: User, confirmed: str) -> None:
    """End the organisation, its memberships, invitations, domains and keys; ``confirmed`` is its
    name, typed by who does this.

    What was counted stays in the desk's figures of past days. Raises ``Forbidden`` and
    ``InvalidInput``.
    """
    require(by, org, Act.OWN)
    if " ".join(confirmed.split()).casefold() != org.name.casefold():
        problem = "This is not its name."
        raise InvalidInput(problem, fields={"confirmed": [problem]})
    number = org.pk
    with transaction.atomic():
        # As those do who count: the counter before the board's changes, which its end notes.
        Stat.objects.filter(org_id=number).delete()
        org.delete()
        acts.note(org=org, by=by, kind=EventKind.ORG_DISSOLVED, detail=org.name)
    logger.info("organisation dissolved", org_id=number, user_id=by.pk)


def add_domain(*, org: Organisation, by: User, name: str) -> Domain:
    """Note a mail domain as the organisation's. Raises ``InvalidInput`` and ``Conflict``."""
    require(by, org, Act.MANAGE)
    normal = domains.normalise(name)
    if org.domains.count() >= MAX_DOMAINS:
        raise Conflict(f"There are {MAX_DOMAINS} domains.", code="too_many_domains")
    try:
        with transaction.atomic():
            domain = org.domains.create(name=normal)
            acts.note(org=org, by=by, kind=EventKind.ORG_DOMAIN_ADDED, detail=normal)
    except IntegrityError as problem:
        raise Conflict(f"{normal} is there already.", code="domain_exists") from problem
    return domain


@transaction.atomic
def remove_domain(*, org: Organisation, by: User, name: str) -> None:
    require(by, org, Act.MANAGE)
    normal = domains.normalise(name)
    deleted, _ = org.domains.filter(name=normal).delete()
    if not deleted:
        raise NotFound("This organisation has no such domain.")
    acts.note(org=org, by=by, kind=EventKind.ORG_DOMAIN_REMOVED, detail=normal)


def checked_name(name: str) -> str:
    """The name with single spaces. Raises ``InvalidInput``."""
    text = " ".join(name.split())
    if not text or len(text) > MAX_NAME or not text.isprintable():
        problem = f"Use 1 to {MAX_NAME} printable characters."
        raise InvalidInput(problem, fields={"name": [problem]})
    return text


def slug_stem(name: str) -> str:
    """How addresses spell the name, before it is made unique."""
    return slugify(name)[:SLUG_STEM].strip("-") or "org"


def _free_slug(name: str) -> str:
    stem = slug_stem(name)
    offered = [stem, *(f"{stem}-{secrets.token_hex(3)}" for _ in range(SLUG_TRIES))]
    taken = set(Organisation.objects.filter(slug__in=offered).values_list("slug", flat=True))
    free = [slug for slug in offered if slug not in taken and slug not in RESERVED]
    return free[0]
