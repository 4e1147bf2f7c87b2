-- The live rows of the feed {feed}, for dbt-duckdb: save it as models/{table}.sql.
-- Which files are live is read from the feed's manifests whenever dbt runs: what was taken back is
-- left out.
{%- set live %}
  with manifest as (
    select * from read_json(
      '{zone_sql}/lake/{feed}/_manifests/*.json',
      columns = {
        sequence: 'BIGINT',
        entries: 'STRUCT(url VARCHAR, kind VARCHAR)[]',
        retracts: 'STRUCT(url VARCHAR)[]'
      })
  ),
  entry as (select sequence, unnest(entries, recursive := true) from manifest),
  taken_back as (select unnest(retracts, recursive := true) from manifest)
  select '{zone_sql}/' || url as path
  from entry
  where kind = 'parquet' and url not in (select url from taken_back)
  order by sequence desc, url
{%- endset %}
{%- set files = run_query(live).columns[0].values() if execute else ['any'] %}

{{ config(materialized = 'table') }}

select *
from read_parquet(
  [{% for file in files %}'{{ file | replace("'", "''") }}'{{ ", " if not loop.last }}{% endfor %}],
  union_by_name = true,
  hive_partitioning = true
)
