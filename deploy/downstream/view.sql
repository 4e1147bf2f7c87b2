-- A view over all versions of a feed, for DuckDB. Reads what the manifests say is live at the moment of each
-- query: not a file that no manifest names yet, nor one that was taken back.
--
--   duckdb reports.duckdb -f deploy/downstream/view.sql
--   D CREATE VIEW orders AS FROM feed_rows('/var/lib/landfall', 'orders');
--
-- A column that a version lacks is null there; one that changed its type from a version to the next is of a type
-- that holds both, mostly text, as DuckDB prints the values. `_lf_file` says of which file a row is. A merged
-- file has no one arrival and time of receipt: `_lf_arrival` says of which arrival a row is.

CREATE OR REPLACE MACRO feed_files(zone, feed) AS TABLE
    WITH manifests AS (
        FROM read_json(zone || '/lake/' || feed || '/_manifests/*.json', columns = {
            sequence: 'UBIGINT',
            entries: 'STRUCT(url VARCHAR, kind VARCHAR, rows UBIGINT, arrival VARCHAR)[]',
            sources: 'STRUCT(arrival VARCHAR, received_at TIMESTAMPTZ)[]',
            retracts: 'STRUCT(url VARCHAR)[]'
        })
    ),
    published AS (SELECT sequence, unnest(entries, recursive := true) FROM manifests),
    received AS (SELECT sequence, unnest(sources, recursive := true) FROM manifests),
    taken_back AS (SELECT unnest(retracts, recursive := true) FROM manifests)
    SELECT zone || '/' || url AS file, sequence, rows, arrival, received_at,
        regexp_extract(url, '/v([0-9]+)/', 1)::INTEGER AS version
    FROM published ANTI JOIN taken_back USING (url) LEFT JOIN received USING (sequence, arrival)
    WHERE kind = 'parquet';

CREATE OR REPLACE MACRO feed_rows(zone, feed) AS TABLE
    FROM read_parquet(zone || '/lake/' || feed || '/v*/*/*.parquet',
        union_by_name = true, hive_partitioning = false, filename = '_lf_file')
    SEMI JOIN feed_files(zone, feed) ON _lf_file = file;
