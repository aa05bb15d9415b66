"""The generator of events: the challenge's stream, and a final count asked of the server."""

from __future__ import annotations

from collections import Counter
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from orgs.management.mail_stream import MOST_EVENTS, Log, events
from orgs.models import MailDomain
from orgs.services.verdicts import Verdict, judge
from orgs.tests.events import IN_FULL, an_organisation
from orgs.tests.test_event_lane import web_process


def send(client, **options):
    out = StringIO()
    call_command("send_events", target=str(client.base_url), stdout=out, **options)
    return out.getvalue()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("bulk", [0, 1_000])
def test_what_is_sent_is_what_the_server_counts(bulk):
    _, secret = an_organisation()
    # One by one goes through the open door, which takes no credential.
    options = {"bulk": bulk, "token": secret} if bulk else {}
    count = 10_000 if IN_FULL or bulk else 600
    with web_process() as client:
        told = send(client, count=count, **options)
    assert f"Counted by the server: {count:,} of {count:,}" in told
    rows = MailDomain.objects.all()
    assert sum(row.delivered + row.bounced for row in rows) == count
    if count == 10_000:
        assert {judge(row.delivered, row.bounced) for row in rows} == set(Verdict)


@pytest.mark.django_db(transaction=True)
def test_a_server_that_counts_otherwise_is_told():
    with web_process() as client:
        send(client, count=50, seed=3)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE orgs_mail_domain SET delivered = delivered + 1")
        with pytest.raises(CommandError, match="domains differ"):
            send(client, count=50, seed=3)


@pytest.mark.parametrize("options", [{"count": 0}, {"bulk": -1}, {"bulk": 10}, {"bulk": 10_001}])
def test_what_makes_no_sense_is_refused(options):
    with pytest.raises(CommandError):
        call_command("send_events", **options)


@pytest.mark.parametrize("seed", range(20))
def test_every_verdict_occurs_in_10_000_events(seed):
    log = Log()
    for domain, kind in events(10_000, seed=seed):
        log.note(domain, kind)
    verdicts = Counter(log.expected(domain)[2] for domain in log.domains())
    assert set(verdicts) == {"catch-all", "not catch-all", "unknown"}


@pytest.mark.parametrize(
    ("delivered", "bounced", "verdict"),
    [(999, 0, "unknown"), (1000, 0, "catch-all"), (1000, 1, "not catch-all")],
)
def test_the_logs_own_rule_agrees_with_the_products(delivered, bounced, verdict):
    log = Log(Counter(a=delivered), Counter(a=bounced))
    assert log.expected("a") == (delivered, bounced, verdict)
    assert judge(delivered, bounced) == verdict


def test_the_stream_is_the_challenges():
    sent = list(events(200_000, seed=1))
    assert len(sent) == 200_000
    assert list(events(200_000, seed=1)) == sent
    by_domain = Counter(domain for domain, _ in sent)
    bounces = Counter(domain for domain, kind in sent if kind == "bounced")
    assert max(by_domain.values()) < MOST_EVENTS
    busy = [domain for domain, count in by_domain.items() if count > 100]
    clean = [domain for domain in busy if not bounces[domain]]
    assert 0 < len(clean) <= len(busy) / 10
    # A bounce for each 35 % of a domain's events, the first one included.
    assert max(bounces.values()) <= 5
