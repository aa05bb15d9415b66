"""The statements that count events. Whatever they write is sorted by its key, table after table.

One of each kind stores events whose ids may be there already, and sums those that it let in; the
other counts events that ``COPY`` has stored, all of them new.

The day's totals are kept in 64 slots, one of them chosen by chance and written last: in a single
row all writers would wait for each other, and counting a million rows takes too long to do it live.
"""

from __future__ import annotations

from typing import Final

MAIL: Final = """
WITH src AS (
    SELECT * FROM unnest(%s::uuid[], %s::timestamptz[], %s::int2[], %s::text[])
        AS t(event_id, ts, kind, domain)
), ins AS (
    INSERT INTO orgs_mail_event (day, event_id, ts, kind, domain)
    SELECT (ts AT TIME ZONE 'UTC')::date, event_id, ts, kind, domain FROM src ORDER BY 1, 2
    ON CONFLICT DO NOTHING RETURNING day, kind, domain
), agg AS (
    SELECT domain COLLATE "C" AS domain, count(*) FILTER (WHERE kind = 1) AS delivered,
        count(*) FILTER (WHERE kind = 2) AS bounced
    FROM ins GROUP BY 1
), dom AS (
    INSERT INTO orgs_mail_domain AS d (domain, delivered, bounced)
    SELECT domain, delivered, bounced FROM agg ORDER BY domain
    ON CONFLICT (domain) DO UPDATE SET delivered = d.delivered + excluded.delivered,
        bounced = d.bounced + excluded.bounced
    RETURNING 1
), tally AS (
    INSERT INTO orgs_tally AS t (day, kind, slot, events)
    SELECT day, 1, floor(random() * 64), count(*)
    FROM ins CROSS JOIN (SELECT count(*) FROM dom) written GROUP BY 1 ORDER BY 1
    ON CONFLICT (day, kind, slot) DO UPDATE SET events = t.events + excluded.events
)
SELECT (SELECT count(*) FROM ins) AS accepted, (SELECT count(*) FROM dom) AS domains
"""

# From here on ``ins`` holds the actions that count.
_ROLL_UP: Final = """, oud AS (
    INSERT INTO orgs_org_user_day (day, org_id, user_id)
    SELECT DISTINCT day, org_id, user_id FROM ins ORDER BY 1, 2, 3
    ON CONFLICT DO NOTHING RETURNING day, org_id, user_id
), d AS (
    INSERT INTO orgs_org_day AS o (day, org_id, actions, dau)
    SELECT i.day, i.org_id, i.a, coalesce(u.n, 0)
    FROM (SELECT day, org_id, count(*) AS a FROM ins GROUP BY 1, 2) i
    LEFT JOIN (SELECT day, org_id, count(*) AS n FROM oud GROUP BY 1, 2) u USING (day, org_id)
    ORDER BY 2, 1
    ON CONFLICT (org_id, day) DO UPDATE SET actions = o.actions + excluded.actions,
        dau = o.dau + excluded.dau
    -- A row that was there before carries the lock under which it was updated.
    RETURNING o.day, o.xmax = 0 AS born
), s AS (
    INSERT INTO orgs_stat AS o (org_id, actions, last_active_at)
    SELECT org_id, count(*), max(ts) FROM ins GROUP BY 1 ORDER BY 1
    ON CONFLICT (org_id) DO UPDATE SET actions = o.actions + excluded.actions,
        last_active_at = greatest(o.last_active_at, excluded.last_active_at)
    RETURNING 1
), ud AS (
    INSERT INTO orgs_user_day (day, user_id)
    SELECT DISTINCT day, user_id FROM oud ORDER BY 1, 2
    ON CONFLICT DO NOTHING RETURNING day
), tally AS (
    INSERT INTO orgs_tally AS t (day, kind, slot, events, orgs, users)
    SELECT day, 0, floor(random() * 64), events, orgs, coalesce(users, 0)
    FROM (SELECT day, count(*) AS events FROM ins GROUP BY 1) i
    JOIN (SELECT day, count(*) FILTER (WHERE born) AS orgs FROM d GROUP BY 1) o USING (day)
    LEFT JOIN (SELECT day, count(*) AS users FROM ud GROUP BY 1) u USING (day)
    CROSS JOIN (SELECT count(*) FROM s) written ORDER BY 1
    ON CONFLICT (day, kind, slot) DO UPDATE SET events = t.events + excluded.events,
        orgs = t.orgs + excluded.orgs, users = t.users + excluded.users
)
SELECT (SELECT count(*) FROM ins) AS accepted, (SELECT count(*) FROM oud) AS new_pairs,
    (SELECT count(*) FROM d) AS org_days, (SELECT count(*) FROM s) AS orgs,
    (SELECT count(*) FROM ud) AS new_users
"""

_STORE_ACTIONS: Final = """
WITH src AS (
    SELECT * FROM unnest(%s::uuid[], %s::timestamptz[], %s::int8[], %s::int8[], %s::text[])
        AS t(event_id, ts, org_id, user_id, name)
), ins AS (
    INSERT INTO orgs_event (day, event_id, ts, org_id, user_id, name)
    SELECT (ts AT TIME ZONE 'UTC')::date, event_id, ts, org_id, user_id, name
    FROM src ORDER BY 1, 2
    ON CONFLICT DO NOTHING RETURNING day, org_id, user_id, ts
)"""
ACTIONS: Final = _STORE_ACTIONS + _ROLL_UP

# Domains in sorted order, deliveries, bounces; then the days' totals.
_COUNT_DOMAINS: Final = """
WITH src AS (
    SELECT * FROM unnest(%s::text[], %s::int8[], %s::int8[]) AS t(domain, delivered, bounced)
), dom AS (
    INSERT INTO orgs_mail_domain AS d (domain, delivered, bounced) SELECT * FROM src
    ON CONFLICT (domain) DO UPDATE SET delivered = d.delivered + excluded.delivered,
        bounced = d.bounced + excluded.bounced
    RETURNING 1
)
INSERT INTO orgs_tally AS t (day, kind, slot, events)
SELECT day, 1, floor(random() * 64), events FROM ({days}) s
CROSS JOIN (SELECT count(*) FROM dom) written ORDER BY 1
ON CONFLICT (day, kind, slot) DO UPDATE SET events = t.events + excluded.events
"""
# Events without ids, which are of today.
COUNTS: Final = _COUNT_DOMAINS.replace(
    "{days}",
    "SELECT (now() AT TIME ZONE 'UTC')::date AS day, sum(delivered + bounced) AS events FROM src",
)
# Mail that ``COPY`` has stored: also its days, and how many events each has.
STORED_MAIL: Final = _COUNT_DOMAINS.replace(
    "{days}", "SELECT * FROM unnest(%s::date[], %s::int8[]) AS t(day, events)"
)

# Actions that ``COPY`` has stored: their days, organisations, users and times.
_GIVEN_ACTIONS: Final = """
WITH ins AS (
    SELECT * FROM unnest(%s::date[], %s::int8[], %s::int8[], %s::timestamptz[])
        AS t(day, org_id, user_id, ts)
)"""
STORED_ACTIONS: Final = _GIVEN_ACTIONS + _ROLL_UP

COPY_MAIL: Final = "COPY orgs_mail_event (day, event_id, ts, kind, domain) FROM STDIN"
COPY_ACTIONS: Final = "COPY orgs_event (day, event_id, ts, org_id, user_id, name) FROM STDIN"
