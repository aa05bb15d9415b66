"""The totals of each day in slots, beginning with what is counted already."""

from django.db import migrations, models

TABLE = """
CREATE TABLE orgs_tally (
    day date NOT NULL,
    kind smallint NOT NULL CHECK (kind IN (0, 1)),
    slot smallint NOT NULL CHECK (slot BETWEEN 0 AND 63),
    events bigint NOT NULL DEFAULT 0,
    orgs bigint NOT NULL DEFAULT 0,
    users bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (day, kind, slot)
) WITH (fillfactor = 50);
INSERT INTO orgs_tally (day, kind, slot, events, orgs, users)
    SELECT o.day, 0, 0, sum(o.actions), count(*),
        (SELECT count(*) FROM orgs_user_day u WHERE u.day = o.day)
    FROM orgs_org_day o WHERE o.day > (now() AT TIME ZONE 'UTC')::date - 8 GROUP BY o.day;
INSERT INTO orgs_tally (day, kind, slot, events)
    SELECT day, 1, 0, count(*) FROM orgs_mail_event GROUP BY day;
"""


class Migration(migrations.Migration):
    dependencies = [("orgs", "0006_treasury")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(TABLE, "DROP TABLE orgs_tally;")],
            state_operations=[
                migrations.CreateModel(
                    name="Tally",
                    fields=[
                        ("pk", models.CompositePrimaryKey("day", "kind", "slot", blank=True, editable=False, primary_key=True, serialize=False)),
                        ("day", models.DateField()),
                        ("kind", models.SmallIntegerField()),
                        ("slot", models.SmallIntegerField()),
                        ("events", models.BigIntegerField(db_default=0)),
                        ("orgs", models.BigIntegerField(db_default=0)),
                        ("users", models.BigIntegerField(db_default=0)),
                    ],
                    options={"db_table": "orgs_tally"},
                ),
            ],
        ),
    ]
