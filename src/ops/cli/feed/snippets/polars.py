"""The live rows of the feed {feed}, as `landfall feed files` lists them."""

import json
import subprocess

import polars as pl


def live_rows(zone={zone_json}, feed="{feed}"):
    """A LazyFrame. A column that left its type has the type of the newest version."""
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
    # Files are read one by one: those of before a column was added do not have it. `relaxed` is for
    # nested ones, whose fields may be more in a later file.
    frames = {
        version: pl.concat(
            [pl.scan_parquet(path, hive_partitioning=False) for path in paths], how="diagonal_relaxed"
        )
        for version, paths in versions.items()
    }
    newest = frames[max(frames)].collect_schema()
    for version, frame in frames.items():
        known = [name for name in frame.collect_schema() if name in newest]
        frames[version] = frame.with_columns(pl.col(name).cast(newest[name]) for name in known)
    return pl.concat([frames[version] for version in sorted(frames)], how="diagonal")


if __name__ == "__main__":
    print(live_rows().collect())
