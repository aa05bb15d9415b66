"""The board: numbered copies of all organisations in rank order, and what changed since the newest.

Statement triggers note every change of a counter or a name in ``orgs_board_delta``, in the same
transaction. Whoever changes a counter or ends an organisation takes its row in ``orgs_stat`` first,
so two writers never meet here in different orders.
"""

from django.db import migrations

SEARCHING = """
CREATE EXTENSION IF NOT EXISTS pg_trgm;
-- Repeats are left in: an index drops them, and sorting them out here would take most of its time.
CREATE FUNCTION orgs_bigrams(t text) RETURNS text[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    -- As dear as it is: taken for cheap, it is computed for every row instead of looked up.
    COST 10000
    RETURN (SELECT array_agg(substr(t, i, 2)) FROM generate_series(1, length(t) - 1) i);
"""
DROP_SEARCHING = "DROP FUNCTION orgs_bigrams;"

DELTA = """
CREATE TABLE orgs_board_version (
    period text NOT NULL CHECK (period IN ('all', 'd7', 'd30')),
    version bigint NOT NULL,
    built_at timestamptz NOT NULL,
    total bigint NOT NULL,
    PRIMARY KEY (period, version)
);
CREATE SEQUENCE orgs_board_seq;
CREATE TABLE orgs_board_delta (
    id bigint PRIMARY KEY,
    actions bigint NOT NULL DEFAULT 0,
    last_active_at timestamptz,
    name text NOT NULL,
    name_lc text NOT NULL,
    born boolean NOT NULL DEFAULT false,
    gone boolean NOT NULL DEFAULT false,
    seq bigint NOT NULL
) WITH (fillfactor = 70);

CREATE FUNCTION orgs_board_note_counter() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO orgs_board_delta AS d (id, actions, last_active_at, name, name_lc, seq)
    SELECT c.org_id, c.actions, c.last_active_at, o.name, lower(o.name), nextval('orgs_board_seq')
    FROM changed c JOIN orgs_organisation o ON o.id = c.org_id ORDER BY c.org_id
    ON CONFLICT (id) DO UPDATE SET actions = excluded.actions,
        last_active_at = excluded.last_active_at, seq = excluded.seq;
    RETURN NULL;
END $$;
CREATE TRIGGER orgs_stat_added AFTER INSERT ON orgs_stat REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION orgs_board_note_counter();
CREATE TRIGGER orgs_stat_changed AFTER UPDATE ON orgs_stat REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION orgs_board_note_counter();

CREATE FUNCTION orgs_board_note_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO orgs_board_delta AS d (id, actions, last_active_at, name, name_lc, born, seq)
    SELECT c.id, coalesce(s.actions, 0), s.last_active_at, c.name, lower(c.name),
        TG_OP = 'INSERT', nextval('orgs_board_seq')
    FROM changed c LEFT JOIN orgs_stat s ON s.org_id = c.id ORDER BY c.id
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, name_lc = excluded.name_lc,
        seq = excluded.seq;
    RETURN NULL;
END $$;
CREATE TRIGGER orgs_organisation_added AFTER INSERT ON orgs_organisation
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION orgs_board_note_name();
CREATE TRIGGER orgs_organisation_changed AFTER UPDATE ON orgs_organisation
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION orgs_board_note_name();

CREATE FUNCTION orgs_board_note_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO orgs_board_delta AS d (id, name, name_lc, gone, seq)
    SELECT c.id, c.name, lower(c.name), true, nextval('orgs_board_seq')
    FROM ended c ORDER BY c.id
    ON CONFLICT (id) DO UPDATE SET gone = true, seq = excluded.seq;
    RETURN NULL;
END $$;
CREATE TRIGGER orgs_organisation_ended AFTER DELETE ON orgs_organisation
    REFERENCING OLD TABLE AS ended
    FOR EACH STATEMENT EXECUTE FUNCTION orgs_board_note_end();
"""
DROP_DELTA = """
DROP TRIGGER orgs_organisation_ended ON orgs_organisation;
DROP TRIGGER orgs_organisation_changed ON orgs_organisation;
DROP TRIGGER orgs_organisation_added ON orgs_organisation;
DROP TRIGGER orgs_stat_changed ON orgs_stat;
DROP TRIGGER orgs_stat_added ON orgs_stat;
DROP FUNCTION orgs_board_note_end, orgs_board_note_name, orgs_board_note_counter;
DROP TABLE orgs_board_delta, orgs_board_version;
DROP SEQUENCE orgs_board_seq;
"""

COLUMNS = (
    "(rank int, id bigint, actions bigint, last_active_at timestamptz, name text, name_lc text)"
)
PERIODS = ("all", "d7", "d30")
# Empty boards, so that there is one to read before the first is built.
FIRST = "".join(
    f"CREATE TABLE orgs_board_{period}_g0 {COLUMNS} PARTITION BY RANGE (rank);"
    f"INSERT INTO orgs_board_version VALUES ('{period}', 0, now(), 0);"
    for period in PERIODS
)
DROP_ALL_BOARDS = """
DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT 'orgs_board_' || period || '_g' || version FROM orgs_board_version LOOP
        EXECUTE format('DROP TABLE IF EXISTS %I', name);
    END LOOP;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("orgs", "0002_organisations")]

    operations = [
        migrations.RunSQL(SEARCHING, DROP_SEARCHING),
        migrations.RunSQL(DELTA, DROP_DELTA),
        migrations.RunSQL(FIRST, DROP_ALL_BOARDS),
    ]
