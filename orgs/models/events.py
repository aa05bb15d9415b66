"""Raw events in daily partitions, and the counters written in the same transaction.

No column refers to an organisation by a foreign key: each would cost every event a lock on its
organisation's row. Whoever stores events has asked who they belong to.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models


class Event(models.Model):
    """One action of a user in an organisation. ``day`` is the UTC date of ``ts``."""

    pk = models.CompositePrimaryKey("day", "event_id")
    day = models.DateField()
    event_id = models.UUIDField()
    ts = models.DateTimeField()
    org_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    name = models.TextField(db_collation="C", default="")

    class Meta:
        db_table = "orgs_event"

    def __str__(self) -> str:
        return f"{self.org_id} {self.name} {self.ts:%Y-%m-%d %H:%M:%S}"


class OrgUserDay(models.Model):
    """A user was active in an organisation on a day (UTC)."""

    pk = models.CompositePrimaryKey("day", "org_id", "user_id")
    day = models.DateField()
    org_id = models.BigIntegerField()
    user_id = models.BigIntegerField()

    class Meta:
        db_table = "orgs_org_user_day"

    def __str__(self) -> str:
        return f"{self.day} {self.org_id} {self.user_id}"


class UserDay(models.Model):
    """A user was active anywhere on a day (UTC)."""

    pk = models.CompositePrimaryKey("day", "user_id")
    day = models.DateField()
    user_id = models.BigIntegerField()

    class Meta:
        db_table = "orgs_user_day"

    def __str__(self) -> str:
        return f"{self.day} {self.user_id}"


class OrgDay(models.Model):
    """An organisation's actions and distinct users of a day, exact after every commit."""

    pk = models.CompositePrimaryKey("org_id", "day")
    org_id = models.BigIntegerField()
    day = models.DateField()
    actions = models.BigIntegerField(db_default=0)
    dau = models.IntegerField(db_default=0)

    class Meta:
        db_table = "orgs_org_day"

    def __str__(self) -> str:
        return f"{self.org_id} {self.day}: {self.actions}"


class Day(models.Model):
    """The whole desk's actions and distinct users of a day; a task counts them each minute."""

    day = models.DateField(primary_key=True)
    actions = models.BigIntegerField()
    dau = models.IntegerField()

    class Meta:
        db_table = "orgs_day"

    def __str__(self) -> str:
        return f"{self.day}: {self.actions}"


class Tally(models.Model):
    """A part of a day's totals, which are the sums over all slots, exact after every commit.

    ``kind`` is 0 for actions and 1 for mail. ``orgs`` and ``users`` count whoever acted that day
    for the first time.
    """

    pk = models.CompositePrimaryKey("day", "kind", "slot")
    day = models.DateField()
    kind = models.SmallIntegerField()
    slot = models.SmallIntegerField()
    events = models.BigIntegerField(db_default=0)
    orgs = models.BigIntegerField(db_default=0)
    users = models.BigIntegerField(db_default=0)

    class Meta:
        db_table = "orgs_tally"

    def __str__(self) -> str:
        return f"{self.day} {self.kind}/{self.slot}: {self.events}"


class Stat(models.Model):
    """An organisation's actions of all time. Narrow, so that an update touches no index."""

    org_id = models.BigIntegerField(primary_key=True)
    actions = models.BigIntegerField(db_default=0)
    last_active_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "orgs_stat"

    def __str__(self) -> str:
        return f"{self.org_id}: {self.actions}"


class MailEvent(models.Model):
    """One delivery or bounce that came with an id. ``day`` is the UTC date of ``ts``."""

    pk = models.CompositePrimaryKey("day", "event_id")
    day = models.DateField()
    event_id = models.UUIDField()
    ts = models.DateTimeField()
    kind = models.SmallIntegerField()
    domain = models.TextField(db_collation="C")

    class Meta:
        db_table = "orgs_mail_event"

    def __str__(self) -> str:
        return f"{self.domain} {self.kind} {self.ts:%Y-%m-%d %H:%M:%S}"


class OwnAction(models.Model):
    """What a member did on the desk's own pages, until it is counted as an event.

    Written in one insert that waits for nobody, since a page is being made meanwhile.
    """

    org_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    name = models.TextField(db_collation="C")
    # What it was done to. It tells repeats apart and goes no further.
    about = models.TextField(db_collation="C")
    ts = models.DateTimeField()

    class Meta:
        db_table = "orgs_own_action"

    def __str__(self) -> str:
        return f"{self.org_id} {self.name} {self.ts:%Y-%m-%d %H:%M:%S}"


class MailDomain(models.Model):
    """Deliveries and bounces of a domain, all of them, those without ids included."""

    domain = models.TextField(primary_key=True, db_collation="C")
    delivered = models.BigIntegerField(db_default=0)
    bounced = models.BigIntegerField(db_default=0)

    class Meta:
        db_table = "orgs_mail_domain"

    def __str__(self) -> str:
        return self.domain


class MailHistory(models.Model):
    """A domain's events of all time as they stood when past days began, the newest first.

    ``events[0]`` is of ``day``, the next of the day before, and so on; a day on which nothing had
    changed since is left out at the front. Beyond the end nothing is known but the last figure.
    """

    domain = models.TextField(primary_key=True, db_collation="C")
    day = models.DateField()
    events = ArrayField(models.BigIntegerField())

    class Meta:
        db_table = "orgs_mail_history"

    def __str__(self) -> str:
        return f"{self.domain} {self.day}"
