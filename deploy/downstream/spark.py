#!/usr/bin/env python3
"""Reads a feed with Spark: what its manifests say is live, through all its versions. Needs pyspark 4 and Java 17.

    spark-submit deploy/downstream/spark.py /var/lib/landfall orders /srv/orders

writes all live rows to a folder, in place of what it holds. The zone may also be where `s3.py` copied it to
(`s3a://bucket/landing`). In a session of your own:

    from spark import feed, versions
    feed(session, "/var/lib/landfall", "orders").groupBy("customer").count().show()
    versions(session, "/var/lib/landfall", "orders")[2].printSchema()

A column that a version lacks is null there. One that changed its type from a version to the next is text, as
Spark prints the values, and nested ones are JSON.
"""
import sys

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f
from pyspark.sql.types import ArrayType, MapType, StructType

MANIFEST = "entries array<struct<url string, kind string>>, retracts array<struct<url string>>"


def live(session: SparkSession, zone: str, name: str) -> dict[int, list[str]]:
    """The files of each version that no manifest took back."""
    manifests = f"{zone}/lake/{name}/_manifests/*.json"
    read = session.read.schema(MANIFEST).option("multiLine", True).json(manifests)
    published = read.select(f.inline("entries")).where("kind = 'parquet'")
    taken_back = read.select(f.inline("retracts"))
    files: dict[int, list[str]] = {}
    for row in published.join(taken_back, "url", "left_anti").orderBy("url").collect():
        version = int(row.url.rpartition(f"lake/{name}/v")[2].partition("/")[0])
        path = row.url.replace("s3://", "s3a://") if "://" in row.url else f"{zone}/{row.url}"
        files.setdefault(version, []).append(path)
    return files


def versions(session: SparkSession, zone: str, name: str) -> dict[int, DataFrame]:
    """The rows of each version, with the day of receipt as `lf_date`."""

    def read(version: int, files: list[str]) -> DataFrame:
        folder = f"{zone}/lake/{name}/v{version}"
        return session.read.option("mergeSchema", True).option("basePath", folder).parquet(*files)

    return {version: read(version, files) for version, files in live(session, zone, name).items()}


def feed(session: SparkSession, zone: str, name: str) -> DataFrame:
    """The rows of all versions."""
    frames = list(versions(session, zone, name).values())
    if not frames:
        raise ValueError(f"nothing of {name} is live in {zone}")
    kinds: dict[str, set] = {}
    for field in (field for frame in frames for field in frame.schema):
        kinds.setdefault(field.name.lower(), set()).add(field.dataType)
    changed = {name for name, types in kinds.items() if len(types) > 1}

    def aligned(frame: DataFrame) -> DataFrame:
        return frame.select([as_text(field) if field.name.lower() in changed else column(field) for field in frame.schema])

    rows = aligned(frames[0])
    for frame in frames[1:]:
        rows = rows.unionByName(aligned(frame), allowMissingColumns=True)
    return rows


def column(field):
    return f.col("`" + field.name.replace("`", "``") + "`")


def as_text(field):
    nested = isinstance(field.dataType, (ArrayType, MapType, StructType))
    text = f.to_json(column(field)) if nested else column(field).cast("string")
    return text.alias(field.name)


def main(zone: str, name: str, to: str) -> None:
    session = SparkSession.builder.appName(f"landfall {name}").getOrCreate()
    feed(session, zone, name).write.mode("overwrite").parquet(to)


if __name__ == "__main__":
    main(*sys.argv[1:])
