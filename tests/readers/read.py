#!/usr/bin/env python3
"""Reads every dataset of a zone as its readers do, version by version, and prints each row with its types.

    read.py duckdb|polars|pyarrow|spark ZONE

A line is `lake/orders/v1 {"id": 1, …}`: numbers and text as JSON has them, of other types the name and the
value. Columns are in the order of their names, rows in that of their text; `lf_date` is the folders' column.
What was rejected is `rejects/orders`.
"""
import datetime
import decimal
import glob
import json
import os
import sys


def with_duckdb(folder):
    import duckdb

    duckdb.execute("SET TimeZone = 'UTC'")
    rows = duckdb.execute(f"FROM read_parquet('{folder}/*/*.parquet', union_by_name = true)")
    names = [column[0] for column in rows.description]
    return [dict(zip(names, row)) for row in rows.fetchall()]


def with_polars(folder):
    import polars

    # `scan_parquet` takes the columns of the first file for those of all.
    files = sorted(glob.glob(f"{folder}/*/*.parquet"))
    frames = [polars.scan_parquet(file, hive_partitioning=True) for file in files]
    return polars.concat(frames, how="diagonal_relaxed").collect().to_dicts()


def with_pyarrow(folder):
    import pyarrow
    from pyarrow import dataset

    # `dataset` takes the columns of the first file for those of all.
    days = dataset.partitioning(pyarrow.schema([("lf_date", pyarrow.date32())]), flavor="hive")
    found = dataset.dataset(folder, partitioning=days)
    schemas = [fragment.physical_schema for fragment in found.get_fragments()]
    schema = pyarrow.unify_schemas([*schemas, found.schema], promote_options="permissive")
    return dataset.dataset(folder, schema=schema, partitioning=days).to_table().to_pylist()


def with_spark(folder):
    from pyspark.sql import SparkSession

    os.environ["TZ"] = "UTC"
    session = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    frame = session.read.option("mergeSchema", True).parquet(folder)
    # Python has instants from Spark in the machine's zone, without saying so.
    instants = {name for name, kind in frame.dtypes if kind == "timestamp"}

    def told(row):
        cells = row.asDict(recursive=True)
        for name in instants & {name for name, value in cells.items() if value is not None}:
            cells[name] = cells[name].replace(tzinfo=datetime.timezone.utc)
        return cells

    return [told(row) for row in frame.collect()]


def cell(value):
    match value:
        case dict():
            return {name: cell(inner) for name, inner in value.items()}
        case list():
            return [cell(inner) for inner in value]
        case decimal.Decimal():
            return f"decimal {value}"
        case datetime.datetime():
            return f"timestamp {value.isoformat()}"
        case datetime.date():
            return f"date {value.isoformat()}"
    return value


def main(reader, zone):
    read = globals()[f"with_{reader}"]
    for folder in sorted(glob.glob(f"{zone}/lake/*/v*") + glob.glob(f"{zone}/rejects/*")):
        rows = [json.dumps(cell(row), sort_keys=True, ensure_ascii=False) for row in read(folder)]
        for row in sorted(rows):
            print(os.path.relpath(folder, zone), row)


if __name__ == "__main__":
    main(*sys.argv[1:])
