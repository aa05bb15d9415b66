"""What Django's schema editor does not write: partitions, the version sequence, the audit triggers."""

import django.db.models.deletion
from django.db import migrations, models

CANDLES = """
CREATE TABLE rates_candle1m (
    pair_id bigint NOT NULL REFERENCES rates_pair (id),
    bucket timestamptz NOT NULL,
    bid_o numeric(24, 12) NOT NULL,
    bid_h numeric(24, 12) NOT NULL,
    bid_l numeric(24, 12) NOT NULL,
    bid_c numeric(24, 12) NOT NULL,
    ask_o numeric(24, 12) NOT NULL,
    ask_h numeric(24, 12) NOT NULL,
    ask_l numeric(24, 12) NOT NULL,
    ask_c numeric(24, 12) NOT NULL,
    ticks integer NOT NULL CHECK (ticks >= 0),
    spread_version bigint NOT NULL,
    parts jsonb NOT NULL,
    PRIMARY KEY (pair_id, bucket)
) PARTITION BY RANGE (bucket)
"""

# The rows of a pair are its audit trail. Only what says how a version ended may change, and the
# moment at which a version that waited for a second person comes into force.
AUDIT = """
CREATE FUNCTION rates_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ending text[] := '{status,effective_to}';
    decision text[] := '{status,effective_to,effective_from,approved_by_id,approved_at,'
        'approval_version,rejected_by_id,rejected_at,rejection}';
    mutable text[] := '{}';
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'rows of % are an audit trail and are never deleted', TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_TABLE_NAME = 'rates_spreadrule' THEN
        mutable := CASE to_jsonb(OLD) ->> 'status'
            WHEN 'pending' THEN decision WHEN 'active' THEN ending ELSE '{}' END;
    END IF;
    IF to_jsonb(NEW) - mutable IS DISTINCT FROM to_jsonb(OLD) - mutable THEN
        RAISE EXCEPTION 'values of % never change: add a version', TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER rates_spreadrule_audit BEFORE UPDATE OR DELETE ON rates_spreadrule
    FOR EACH ROW EXECUTE FUNCTION rates_refuse_change();
CREATE TRIGGER rates_pairhalt_audit BEFORE UPDATE OR DELETE ON rates_pairhalt
    FOR EACH ROW EXECUTE FUNCTION rates_refuse_change();
"""


def add_public_tier(apps, schema_editor):
    apps.get_model("rates", "PriceTier").objects.get_or_create(
        code="public", defaults={"name": "Public", "is_default": True}
    )


class Migration(migrations.Migration):
    dependencies = [("rates", "0001_initial")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(CANDLES, "DROP TABLE rates_candle1m")],
            state_operations=[
                migrations.CreateModel(
                    name='Candle1m',
                    fields=[
                        ('pk', models.CompositePrimaryKey('pair_id', 'bucket', blank=True, editable=False, primary_key=True, serialize=False)),
                        ('bucket', models.DateTimeField()),
                        ('bid_o', models.DecimalField(decimal_places=12, max_digits=24)),
                        ('bid_h', models.DecimalField(decimal_places=12, max_digits=24)),
                        ('bid_l', models.DecimalField(decimal_places=12, max_digits=24)),
                        ('bid_c', models.DecimalField(decimal_places=12, max_digits=24)),
                        ('ask_o', models.DecimalField(decimal_places=12, max_digits=24)),
                        ('ask_h', models.DecimalField(decimal_places=12, max_digits=24)),
                        ('ask_l', models.DecimalField(decimal_places=12, max_digits=24)),
                        ('ask_c', models.DecimalField(decimal_places=12, max_digits=24)),
                        ('ticks', models.PositiveIntegerField()),
                        ('spread_version', models.PositiveBigIntegerField()),
                        ('parts', models.JSONField(default=list)),
                        ('pair', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='rates.pair')),
                    ],
                    options={
                        'db_table': 'rates_candle1m',
                    },
                ),
            ],
        ),
        migrations.RunSQL(
            "CREATE SEQUENCE rates_version_seq AS bigint", "DROP SEQUENCE rates_version_seq"
        ),
        migrations.RunSQL(
            AUDIT,
            "DROP TRIGGER rates_spreadrule_audit ON rates_spreadrule;"
            "DROP TRIGGER rates_pairhalt_audit ON rates_pairhalt;"
            "DROP FUNCTION rates_refuse_change();",
        ),
        migrations.RunPython(add_public_tier, migrations.RunPython.noop),
    ]
