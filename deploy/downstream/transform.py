#!/usr/bin/env python3
"""Loads each batch into a DuckDB database and makes tables of it, exactly once in effect. Needs the package
duckdb.

    [feed.orders]
    sinks = ["warehouse"]

    [sink.warehouse]
    command = ["deploy/downstream/transform.py", "warehouse.duckdb", "deploy/downstream/transform.sql"]

The rows of version 1 of `orders` come into `raw.orders_v1`, those of version 2 into `raw.orders_v2`; the view
`raw.orders` is over both, and a column whose type changed is text in it. `_lf_file` says of which file a row
is. What a batch takes back goes, what it brings comes, the statements of the .sql file run and the batch is
noted in `raw.batches`, all in one transaction: a batch that was told of before is found there, and answered
as then. The answer names the feed's tables and those in `mart`, which is for what the .sql file makes.
"""
import json
import os
import re
import sys

import duckdb


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def tables(database, schema, pattern=".*"):
    found = database.execute(
        "SELECT table_name FROM duckdb_tables() WHERE schema_name = ? AND regexp_full_match(table_name, ?)"
        " ORDER BY length(table_name), table_name",
        [schema, pattern],
    )
    return [name for (name,) in found.fetchall()]


def table_of(feed, url):
    version = re.match(r"lake/[^/]+/v([0-9]+)/", url)[1]
    return f"{feed}_v{version}"


def columns(database, of):
    return {name: kind for name, kind, *_ in database.execute(f"DESCRIBE {of}").fetchall()}


def load(database, feed, url):
    """Adds the rows of one file. A version's columns keep their types; it may gain columns, and fields
    of nested ones, which INSERT would leave out without a word."""
    table = "raw." + quoted(table_of(feed, url))
    database.execute("SET VARIABLE url = ?", [url])
    rows = (
        "SELECT * FROM read_parquet(getvariable('url'), hive_partitioning = false,"
        " filename = '_lf_file')"
    )
    database.execute(f"CREATE TABLE IF NOT EXISTS {table} AS {rows} LIMIT 0")
    there = columns(database, table)
    for name, kind in columns(database, f"FROM {table} UNION ALL BY NAME {rows}").items():
        if name not in there:
            database.execute(f"ALTER TABLE {table} ADD COLUMN {quoted(name)} {kind}")
        elif there[name] != kind:
            database.execute(f"ALTER TABLE {table} ALTER COLUMN {quoted(name)} TYPE {kind}")
    return database.execute(f"INSERT INTO {table} BY NAME {rows}").fetchone()[0]


def take_back(database, feed, urls):
    versions = tables(database, "raw", feed + "_v[0-9]+")
    for url in urls:
        # What is no table was not loaded, nor was what somebody skipped.
        if url.startswith("lake/") and table_of(feed, url) in versions:
            table = quoted(table_of(feed, url))
            database.execute(f"DELETE FROM raw.{table} WHERE _lf_file = ?", [url])


def take(database, delivery, manifest, sql):
    """Everything that a batch changes."""
    feed = manifest["feed"]
    take_back(database, feed, [one["url"] for one in manifest["retracts"]])
    files = [entry["url"] for entry in manifest["entries"] if entry["kind"] == "parquet"]
    rows = sum(load(database, feed, url) for url in files)
    versions = tables(database, "raw", feed + "_v[0-9]+")
    if versions:
        parts = " UNION ALL BY NAME ".join(f"FROM raw.{quoted(name)}" for name in versions)
        database.execute(f"CREATE OR REPLACE VIEW raw.{quoted(feed)} AS {parts}")
        database.execute(sql)
    written = [f"raw.{name}" for name in versions] + [f"mart.{name}" for name in tables(database, "mart")]
    answer = {"tables": written, "rows": rows, "run": delivery}
    database.execute("INSERT INTO raw.batches VALUES (?, ?, now())", [delivery, json.dumps(answer)])


def main(warehouse, sql, _manifest):
    if os.environ.get("LANDFALL_TEST"):  # `landfall sink test`
        return
    manifest, delivery = json.load(sys.stdin), os.environ["LANDFALL_DELIVERY"]
    with open(sql) as file:
        sql = file.read()
    with duckdb.connect(warehouse) as database:
        database.execute("BEGIN; CREATE SCHEMA IF NOT EXISTS raw; CREATE SCHEMA IF NOT EXISTS mart")
        database.execute(
            "CREATE TABLE IF NOT EXISTS raw.batches (delivery TEXT PRIMARY KEY, answer TEXT, taken_at TIMESTAMPTZ)"
        )
        taken = database.execute("SELECT answer FROM raw.batches WHERE delivery = ?", [delivery])
        if (found := taken.fetchone()) is None:
            take(database, delivery, manifest, sql)
            taken.execute("SELECT answer FROM raw.batches WHERE delivery = ?", [delivery])
            found = taken.fetchone()
        database.execute("COMMIT")
        print(found[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
