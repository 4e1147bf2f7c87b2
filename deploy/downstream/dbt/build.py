#!/usr/bin/env python3
"""Runs `dbt build` for every batch and acknowledges with the tables it made. Needs dbt-core 1.11, dbt-duckdb
and duckdb.

    [feed.orders]
    sinks = ["dbt"]

    [sink.dbt]
    command = ["deploy/downstream/dbt/build.py"]
    timeout = "10m"

The database is the zone's `warehouse.duckdb`, or what $WAREHOUSE names. The macros of `../view.sql` are put into
it first: the sources are what is live at that moment. A failed model or test refuses the batch, which then
comes again. By hand, after the first batch, in the zone:

    export LANDFALL_ZONE=$PWD DBT_PROJECT_DIR=deploy/downstream/dbt DBT_PROFILES_DIR=deploy/downstream/dbt
    dbt source freshness
"""
import json
import os
import sys
from pathlib import Path

import duckdb
from dbt.cli.main import dbtRunner
from dbt_common.invocation import get_invocation_id

PROJECT = Path(__file__).resolve().parent


def dbt(*arguments):
    places = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
    done = dbtRunner().invoke(["--quiet", "--no-use-colors", *arguments, *places])
    if not done.success:
        sys.exit(f"dbt {arguments[0]} failed: {done.exception or 'see above'}")
    return done.result


def main():
    if os.environ.get("LANDFALL_TEST"):  # `landfall sink test`
        dbt("parse")
        return
    with duckdb.connect(os.environ.get("WAREHOUSE", "warehouse.duckdb")) as database:
        database.execute((PROJECT.parent / "view.sql").read_text())
    built = dbt("build")
    models = [one.node for one in built.results if one.node.resource_type == "model"]
    tables = [f"{model.schema}.{model.name}" for model in models]
    print(json.dumps({"tables": tables, "run": get_invocation_id()}))


if __name__ == "__main__":
    main()
