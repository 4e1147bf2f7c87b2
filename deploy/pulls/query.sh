#!/bin/sh
# Pulls the rows of a PostgreSQL table that are new, as CSV.
#
#   [[pull]]
#   name = "orders"
#   feed = "orders"
#   command = ["deploy/pulls/query.sh", "orders", "id"]
#   at = ["06:00"]
#   file = "orders_{time}.csv"
#   env = ["PGHOST", "PGUSER", "PGDATABASE", "PGPASSWORD"]
#
# Over a network let `env` also pass on PGSSLMODE=verify-full and PGSSLROOTCERT.
#
# The second argument is a whole number that only grows, such as a bigserial, given by the INSERT itself.
# Both statements see one snapshot, and rows of transactions that began while another was still under way
# wait for the next run, so that what is numbered first and committed last is not passed over. A number that
# was drawn long before its row is inserted (nextval by hand) may be. The watermark is the largest number
# taken.
set -eu
psql -X -q -A -t -v ON_ERROR_STOP=1 -v from="$1" -v key="$2" \
    -v since="${LANDFALL_WATERMARK:-0}" -v answer="$LANDFALL_WATERMARK_FILE" <<'SQL'
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT coalesce(max(:"key"), 0) AS newest, count(*) > 0 AS some FROM :"from"
  WHERE :"key" > :'since'
    AND age(xmin) >= age(pg_snapshot_xmin(pg_current_snapshot())::text::xid) \gset
\if :some
  COPY (SELECT * FROM :"from" WHERE :"key" > :'since' AND :"key" <= :newest ORDER BY :"key")
    TO STDOUT WITH (FORMAT csv, HEADER);
  \o :answer
  \qecho :newest
  \o
\endif
COMMIT;
SQL
