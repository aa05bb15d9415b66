"""What mail domains' counters were at the beginning of past days: for their trend."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models

TABLE = """
CREATE TABLE orgs_mail_history (
    domain text COLLATE "C" PRIMARY KEY,
    day date NOT NULL,
    events bigint[] NOT NULL CHECK (cardinality(events) BETWEEN 1 AND 15)
) WITH (fillfactor = 80);
-- What was counted before is of unknown age: it is where the first trend begins.
INSERT INTO orgs_mail_history (domain, day, events)
    SELECT domain, (now() AT TIME ZONE 'UTC')::date, ARRAY[delivered + bounced]
    FROM orgs_mail_domain ORDER BY domain;
"""


class Migration(migrations.Migration):
    dependencies = [("orgs", "0004_own_actions")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(TABLE, "DROP TABLE orgs_mail_history;")],
            state_operations=[
                migrations.CreateModel(
                    name='MailHistory',
                    fields=[
                        ('domain', models.TextField(db_collation='C', primary_key=True, serialize=False)),
                        ('day', models.DateField()),
                        ('events', ArrayField(base_field=models.BigIntegerField(), size=None)),
                    ],
                    options={
                        'db_table': 'orgs_mail_history',
                    },
                ),
            ],
        ),
    ]
