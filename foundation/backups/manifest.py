"""What stood in every table in one moment: how many rows, and a hash that no order changes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, LiteralString, cast

import psycopg
from psycopg import sql

TABLES = """
SELECT n.nspname, c.relname, c.relkind = 'r'
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
ORDER BY 1, 2
"""
# A row as text, hashed; 64 bits of each summed, so that neither order nor parallel reading matters.
COUNT = sql.SQL(
    "SELECT count(*), coalesce("
    "sum(('x' || left(md5(whole_row::text), 16))::bit(64)::bigint::numeric), 0)"
    " FROM ONLY {} whole_row"
)
# Text of a value depends on these; a hash must not depend on who asks.
PLAIN: Final[dict[LiteralString, LiteralString]] = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
}
# Numbers given out next must be free: the number's sequence, its table and column.
SEQUENCES = """
SELECT s.oid::regclass::text, n.nspname, t.relname, a.attname,
       coalesce(pg_sequence_last_value(s.oid), 0)
FROM pg_depend d
JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
JOIN pg_class t ON t.oid = d.refobjid
JOIN pg_namespace n ON n.oid = t.relnamespace
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
"""
HIGHEST = sql.SQL("SELECT coalesce(max({}), 0) FROM {}")


@dataclass(frozen=True, slots=True)
class Content:
    """A table's rows. ``hash`` is a decimal number."""

    rows: int
    hash: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def tables(connection: psycopg.Connection[Any]) -> list[tuple[str, str, bool]]:
    """Schema, name, and whether rows stand in it (a partitioned table has none of its own)."""
    return connection.execute(TABLES).fetchall()


def contents(connection: psycopg.Connection[Any]) -> dict[str, Content]:
    """Every table by ``schema.name``, within the transaction that ``connection`` is in."""
    for name, value in PLAIN.items():
        connection.execute("SELECT set_config(%s, %s, true)", [name, value])
    return {
        f"{schema}.{table}": _content(connection, sql.Identifier(schema, table))
        for schema, table, has_rows in tables(connection)
        if has_rows
    }


def differences(wanted: dict[str, Content], found: dict[str, Content]) -> list[str]:
    """A sentence for each table that is not as it should be."""
    told = []
    for name in sorted(wanted.keys() | found.keys()):
        should, is_ = wanted.get(name), found.get(name)
        if should is None or is_ is None:
            told.append(f"{name}: {'missing' if is_ is None else 'not in the backup'}")
        elif should.rows != is_.rows:
            told.append(f"{name}: {is_.rows} rows instead of {should.rows}")
        elif should.hash != is_.hash:
            told.append(f"{name}: other rows than in the backup")
    return told


def lagging_sequences(connection: psycopg.Connection[Any]) -> list[str]:
    """A sentence for each sequence that would give out a number that is taken."""
    told = []
    for name, schema, table, column, last in connection.execute(SEQUENCES).fetchall():
        question = HIGHEST.format(sql.Identifier(column), sql.Identifier(schema, table))
        highest = _one(connection, question)[0]
        if highest > last:
            told.append(f"{name}: at {last}, while {table} holds {highest}")
    return told


def _content(connection: psycopg.Connection[Any], table: sql.Identifier) -> Content:
    rows, summed = _one(connection, COUNT.format(table))
    return Content(rows, str(summed))


def _one(connection: psycopg.Connection[Any], question: sql.Composed) -> tuple[Any, ...]:
    return cast("tuple[Any, ...]", connection.execute(question).fetchone())
