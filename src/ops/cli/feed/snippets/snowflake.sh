#!/usr/bin/env bash
# Loads the live rows of the feed {feed} into Snowflake's table {table}: all of them, in the place of
# what the table holds. Needs `landfall`, `jq` and Snowflake's command line `snow`, logged in.
set -euo pipefail

files=$(landfall feed files {feed} --json --zone {zone_sh})
newest=$(jq -r .version <<<"$files" | sort -V | tail -n 1)

snow sql -q "
  create file format if not exists landfall_parquet type = parquet use_logical_type = true;
  create or replace stage landfall_{table} file_format = landfall_parquet;"

jq -r '[.version, .path] | @tsv' <<<"$files" | while IFS=$'\t' read -r version path; do
  snow stage copy "$path" "@landfall_{table}/$version/" </dev/null
done

# The table has the types of the newest version; what older files hold is cast to them by name.
snow sql -q "
  create or replace table {table} using template (
    select array_agg(object_construct(*)) within group (order by order_id)
    from table(infer_schema(
      location => '@landfall_{table}/$newest/',
      file_format => 'landfall_parquet',
      ignore_case => true)));
  copy into {table} from @landfall_{table}
    file_format = (format_name = 'landfall_parquet')
    match_by_column_name = case_insensitive;"
