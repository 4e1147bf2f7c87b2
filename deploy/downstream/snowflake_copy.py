#!/usr/bin/env python3
"""Loads each batch into Snowflake, exactly once in effect. Needs snowflake-connector-python and pyarrow.

    [feed.orders]
    sinks = ["snowflake"]

    [sink.snowflake]
    command = ["deploy/downstream/snowflake_copy.py", "landing"]
    timeout = "1h"

`landing` is a connection of ~/.snowflake/connections.toml, with its database and schema. The Parquet of
version 1 of `orders` goes by the stage `landfall` into the table "orders_v1", with columns by the very names
of the files; what a version gains is added. One transaction deletes the rows of what the batch takes back
and those of its own arrivals, and copies them in: a batch that is told again is loaded in place of itself.
`FORCE` keeps Snowflake's own memory of loaded files, which lasts 64 days, out of it.
"""
import json
import os
import re
import sys

import pyarrow
import pyarrow.parquet
import snowflake.connector


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def text(value):
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def table_of(feed, url):
    version = re.match(r"lake/[^/]+/v([0-9]+)/", url)[1]
    return quoted(f"{feed}_v{version}")


def kind(type_):
    """What holds every value of a column of Parquet."""
    types = pyarrow.types
    if types.is_boolean(type_):
        return "BOOLEAN"
    if types.is_integer(type_):
        return "NUMBER(19, 0)"
    if types.is_decimal(type_):
        return f"NUMBER({type_.precision}, {type_.scale})"
    if types.is_floating(type_):
        return "DOUBLE"
    if types.is_date(type_):
        return "DATE"
    if types.is_timestamp(type_):
        return "TIMESTAMP_LTZ(6)" if type_.tz else "TIMESTAMP_NTZ(6)"
    return "VARIANT" if types.is_nested(type_) else "VARCHAR"


def prepare(run, table, urls, folder):
    """Makes the table and its columns, and brings the files to the stage. Such statements end a
    transaction, so they come before it; to have them twice does no harm."""
    columns = {}
    for url in urls:
        for field in pyarrow.parquet.read_schema(url):
            columns.setdefault(field.name, kind(field.type))
    all_of = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns.items())
    run(f"CREATE TABLE IF NOT EXISTS {table} ({all_of})")
    there = {column[0] for column in run(f"SELECT * FROM {table} LIMIT 0").description}
    for name in columns.keys() - there:
        run(f"ALTER TABLE {table} ADD COLUMN {quoted(name)} {columns[name]}")
    for url in urls:
        file = text("file://" + os.path.abspath(url))
        run(f"PUT {file} {folder} AUTO_COMPRESS = FALSE OVERWRITE = TRUE")


def by_table(feed, entries):
    tables = {}
    for entry in entries:
        if entry["url"].startswith("lake/"):
            tables.setdefault(table_of(feed, entry["url"]), []).append(entry)
    return tables


def rows_of(table, entries):
    # A merged file has the rows of several arrivals.
    shares = [share for entry in entries for share in entry.get("arrivals", [entry])]
    arrivals = ", ".join(text(share["arrival"]) for share in shares)
    return f'{table} WHERE "_lf_arrival" IN ({arrivals})'


def take(run, manifest):
    feed = manifest["feed"]
    loaded = by_table(feed, [entry for entry in manifest["entries"] if entry["kind"] == "parquet"])
    # A folder of its own on the stage for each table of each batch.
    folders = {table: f"@landfall/{manifest['batch']}/{at}" for at, table in enumerate(loaded)}
    run("CREATE STAGE IF NOT EXISTS landfall")
    for table, entries in loaded.items():
        prepare(run, table, [entry["url"] for entry in entries], folders[table])
    tables = {quoted(row[1]) for row in run("SHOW TABLES").fetchall()}
    run("BEGIN")
    for gone in (by_table(feed, manifest["retracts"]), loaded):
        for table, entries in gone.items():
            if table in tables:  # what somebody skipped was not loaded
                run(f"DELETE FROM {rows_of(table, entries)}")
    for table, entries in loaded.items():
        run(
            f"COPY INTO {table} FROM {folders[table]}"
            " FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE)"
            " MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE"
            " FORCE = TRUE PURGE = TRUE ON_ERROR = ABORT_STATEMENT"
        )
        there = run(f"SELECT count(*) FROM {rows_of(table, entries)}").fetchone()[0]
        if there != sum(entry["rows"] for entry in entries):
            sys.exit(f"{there} rows came into {table}, and not as many as the manifest says")
    run("COMMIT")
    return [table.strip('"') for table in loaded]


def main(connection, _manifest):
    with snowflake.connector.connect(connection_name=connection) as session:
        cursor = session.cursor()
        if os.environ.get("LANDFALL_TEST"):  # `landfall sink test`
            cursor.execute("SELECT 1")
            return
        manifest = json.load(sys.stdin)
        tables = take(cursor.execute, manifest)
        print(json.dumps({"tables": tables, "rows": manifest["rows"]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
