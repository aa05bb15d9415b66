from orgs.models.events import (
    Day,
    Event,
    MailDomain,
    MailEvent,
    OrgDay,
    OrgUserDay,
    OwnAction,
    Stat,
    UserDay,
)
from orgs.models.organisations import (
    ApiKey,
    Domain,
    Invitation,
    KeyScope,
    Membership,
    Organisation,
    OrgRole,
)

__all__ = [
    "ApiKey",
    "Day",
    "Domain",
    "Event",
    "Invitation",
    "KeyScope",
    "MailDomain",
    "MailEvent",
    "Membership",
    "OrgDay",
    "OrgRole",
    "OrgUserDay",
    "Organisation",
    "OwnAction",
    "Stat",
    "UserDay",
]
