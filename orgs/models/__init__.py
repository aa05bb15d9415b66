from orgs.models.events import (
    Day,
    Event,
    MailDomain,
    MailEvent,
    OrgDay,
    OrgUserDay,
    Stat,
    UserDay,
)

__all__ = [
    "Day",
    "Event",
    "MailDomain",
    "MailEvent",
    "OrgDay",
    "OrgUserDay",
    "Stat",
    "UserDay",
]
