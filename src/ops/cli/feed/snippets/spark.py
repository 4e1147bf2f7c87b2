"""The live rows of the feed {feed}, as `landfall feed files` lists them."""

import json
import subprocess
from functools import reduce

from pyspark.sql import SparkSession
from pyspark.sql import functions as F


def live_rows(spark, zone={zone_json}, feed="{feed}"):
    """A DataFrame. A column that left its type has the type of the newest version."""
    listed = subprocess.run(
        ["landfall", "feed", "files", feed, "--json", "--zone", zone],
        check=True,
        capture_output=True,
        text=True,
    )
    versions = {}
    for line in listed.stdout.splitlines():
        file = json.loads(line)
        versions.setdefault(int(file["version"][1:]), []).append(file["path"])
    if not versions:
        raise LookupError("the feed has no live files yet")
    # A version may gain columns: files of before are read with nulls in them.
    frames = {
        version: spark.read.option("mergeSchema", "true").parquet(*paths)
        for version, paths in versions.items()
    }
    types = {field.name: field.dataType for field in frames[max(frames)].schema}

    def in_newest_types(frame):
        columns = (f"`{name.replace('`', '``')}`" for name in frame.columns)
        return frame.select(
            [
                F.col(quoted).cast(types.get(name, frame.schema[name].dataType)).alias(name)
                for name, quoted in zip(frame.columns, columns)
            ]
        )

    ordered = [in_newest_types(frames[version]) for version in sorted(frames, reverse=True)]
    return reduce(lambda a, b: a.unionByName(b, allowMissingColumns=True), ordered)


if __name__ == "__main__":
    live_rows(SparkSession.builder.getOrCreate()).show()
