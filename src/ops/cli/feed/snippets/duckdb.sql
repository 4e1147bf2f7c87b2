-- The live rows of the feed {feed}, by its manifests: what was taken back is left out.
-- For DuckDB 1.1 or newer, where the zone's folder can be read. In a session of its own:
--   landfall feed snippet {feed} --for duckdb > {feed}.sql && duckdb -init {feed}.sql
SET VARIABLE landfall_files = (
  WITH manifest AS (
    SELECT * FROM read_json(
      '{zone_sql}/lake/{feed}/_manifests/*.json',
      columns = {
        sequence: 'BIGINT',
        entries: 'STRUCT(url VARCHAR, kind VARCHAR)[]',
        retracts: 'STRUCT(url VARCHAR)[]'
      })
  ),
  entry AS (SELECT sequence, unnest(entries, recursive := true) FROM manifest),
  taken_back AS (SELECT unnest(retracts, recursive := true) FROM manifest)
  SELECT list('{zone_sql}/' || url ORDER BY sequence DESC, url)
  FROM entry
  WHERE kind = 'parquet' AND url NOT IN (SELECT url FROM taken_back)
);

-- Columns that were added later are null in older files. A column that left its type, which opened
-- another version, has the type that holds both.
CREATE OR REPLACE TEMP VIEW "{feed}" AS
FROM read_parquet(getvariable('landfall_files'), union_by_name = true, hive_partitioning = true);

FROM "{feed}" LIMIT 10;
