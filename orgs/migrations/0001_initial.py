"""The event stream's tables. Django writes neither partitions nor the room for updates in place."""

from django.db import migrations, models

TABLES = """
CREATE TABLE orgs_event (
    day date NOT NULL,
    event_id uuid NOT NULL,
    ts timestamptz NOT NULL,
    org_id bigint NOT NULL,
    user_id bigint NOT NULL,
    name text COLLATE "C" NOT NULL DEFAULT '',
    PRIMARY KEY (day, event_id)
) PARTITION BY RANGE (day);
CREATE TABLE orgs_org_user_day (
    day date NOT NULL,
    org_id bigint NOT NULL,
    user_id bigint NOT NULL,
    PRIMARY KEY (day, org_id, user_id)
) PARTITION BY RANGE (day);
CREATE TABLE orgs_user_day (
    day date NOT NULL,
    user_id bigint NOT NULL,
    PRIMARY KEY (day, user_id)
) PARTITION BY RANGE (day);
CREATE TABLE orgs_mail_event (
    day date NOT NULL,
    event_id uuid NOT NULL,
    ts timestamptz NOT NULL,
    kind smallint NOT NULL CHECK (kind IN (1, 2)),
    domain text COLLATE "C" NOT NULL,
    PRIMARY KEY (day, event_id)
) PARTITION BY RANGE (day);
CREATE TABLE orgs_org_day (
    org_id bigint NOT NULL,
    day date NOT NULL,
    actions bigint NOT NULL DEFAULT 0,
    dau integer NOT NULL DEFAULT 0,
    PRIMARY KEY (org_id, day)
) WITH (fillfactor = 80);
CREATE TABLE orgs_day (
    day date PRIMARY KEY,
    actions bigint NOT NULL,
    dau integer NOT NULL
);
CREATE TABLE orgs_stat (
    org_id bigint PRIMARY KEY,
    actions bigint NOT NULL DEFAULT 0,
    last_active_at timestamptz
) WITH (fillfactor = 70);
CREATE TABLE orgs_mail_domain (
    domain text COLLATE "C" PRIMARY KEY,
    delivered bigint NOT NULL DEFAULT 0,
    bounced bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 70);
"""
DROP = """
DROP TABLE orgs_event, orgs_org_user_day, orgs_user_day, orgs_mail_event, orgs_org_day, orgs_day,
    orgs_stat, orgs_mail_domain;
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = []

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(TABLES, DROP)],
            state_operations=[
                migrations.CreateModel(
                    name='Day',
                    fields=[
                        ('day', models.DateField(primary_key=True, serialize=False)),
                        ('actions', models.BigIntegerField()),
                        ('dau', models.IntegerField()),
                    ],
                    options={
                        'db_table': 'orgs_day',
                    },
                ),
                migrations.CreateModel(
                    name='Event',
                    fields=[
                        ('pk', models.CompositePrimaryKey('day', 'event_id', blank=True, editable=False, primary_key=True, serialize=False)),
                        ('day', models.DateField()),
                        ('event_id', models.UUIDField()),
                        ('ts', models.DateTimeField()),
                        ('org_id', models.BigIntegerField()),
                        ('user_id', models.BigIntegerField()),
                        ('name', models.TextField(db_collation='C', default='')),
                    ],
                    options={
                        'db_table': 'orgs_event',
                    },
                ),
                migrations.CreateModel(
                    name='MailDomain',
                    fields=[
                        ('domain', models.TextField(db_collation='C', primary_key=True, serialize=False)),
                        ('delivered', models.BigIntegerField(db_default=0)),
                        ('bounced', models.BigIntegerField(db_default=0)),
                    ],
                    options={
                        'db_table': 'orgs_mail_domain',
                    },
                ),
                migrations.CreateModel(
                    name='MailEvent',
                    fields=[
                        ('pk', models.CompositePrimaryKey('day', 'event_id', blank=True, editable=False, primary_key=True, serialize=False)),
                        ('day', models.DateField()),
                        ('event_id', models.UUIDField()),
                        ('ts', models.DateTimeField()),
                        ('kind', models.SmallIntegerField()),
                        ('domain', models.TextField(db_collation='C')),
                    ],
                    options={
                        'db_table': 'orgs_mail_event',
                    },
                ),
                migrations.CreateModel(
                    name='OrgDay',
                    fields=[
                        ('pk', models.CompositePrimaryKey('org_id', 'day', blank=True, editable=False, primary_key=True, serialize=False)),
                        ('org_id', models.BigIntegerField()),
                        ('day', models.DateField()),
                        ('actions', models.BigIntegerField(db_default=0)),
                        ('dau', models.IntegerField(db_default=0)),
                    ],
                    options={
                        'db_table': 'orgs_org_day',
                    },
                ),
                migrations.CreateModel(
                    name='OrgUserDay',
                    fields=[
                        ('pk', models.CompositePrimaryKey('day', 'org_id', 'user_id', blank=True, editable=False, primary_key=True, serialize=False)),
                        ('day', models.DateField()),
                        ('org_id', models.BigIntegerField()),
                        ('user_id', models.BigIntegerField()),
                    ],
                    options={
                        'db_table': 'orgs_org_user_day',
                    },
                ),
                migrations.CreateModel(
                    name='Stat',
                    fields=[
                        ('org_id', models.BigIntegerField(primary_key=True, serialize=False)),
                        ('actions', models.BigIntegerField(db_default=0)),
                        ('last_active_at', models.DateTimeField(null=True)),
                    ],
                    options={
                        'db_table': 'orgs_stat',
                    },
                ),
                migrations.CreateModel(
                    name='UserDay',
                    fields=[
                        ('pk', models.CompositePrimaryKey('day', 'user_id', blank=True, editable=False, primary_key=True, serialize=False)),
                        ('day', models.DateField()),
                        ('user_id', models.BigIntegerField()),
                    ],
                    options={
                        'db_table': 'orgs_user_day',
                    },
                ),
            ],
        ),
    ]
