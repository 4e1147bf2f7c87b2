#!/bin/sh
# Takes each batch exactly once in effect: an inbox and the effect change in one SQLite transaction.
# Needs sqlite3.
#
#   [feed.orders]
#   sinks = ["inbox"]
#
#   [sink.inbox]
#   command = ["deploy/downstream/inbox.sh", "inbox.db"]
#
# landfall tells of a batch until it is acknowledged, with the same id each time, so that a batch may be told
# twice. Here the first time leaves a row in `inbox`, and every other time finds it and changes nothing. The
# effect is the table `files`: what the next step has to read, without what was taken back. Put statements of
# your own before COMMIT; `told` is empty when the batch was taken already.
set -eu
[ -z "${LANDFALL_TEST:-}" ] || exit 0 # `landfall sink test`
database=$1 manifest=$2

quoted() { printf "'%s'" "$(printf %s "$1" | sed "s/'/''/g")"; }

exec sqlite3 -bail -cmd '.timeout 30000' "$database" "
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS inbox (
    delivery TEXT PRIMARY KEY, feed TEXT NOT NULL, sequence INTEGER NOT NULL, rows INTEGER NOT NULL,
    taken_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE IF NOT EXISTS files (
    url TEXT PRIMARY KEY, feed TEXT NOT NULL, sequence INTEGER NOT NULL, kind TEXT NOT NULL,
    rows INTEGER NOT NULL, sha256 TEXT NOT NULL, arrival TEXT); -- no arrival: merged from several

CREATE TEMP TABLE told AS
    SELECT CAST(readfile($(quoted "$manifest")) AS TEXT) AS manifest
    WHERE NOT EXISTS (SELECT 1 FROM inbox WHERE delivery = $(quoted "$LANDFALL_DELIVERY"));
DELETE FROM files WHERE url IN (
    SELECT value ->> 'url' FROM told, json_each(manifest, '$.retracts'));
INSERT INTO files
    SELECT value ->> 'url', manifest ->> 'feed', manifest ->> 'sequence', value ->> 'kind',
        value ->> 'rows', value ->> 'sha256', value ->> 'arrival'
    FROM told, json_each(manifest, '$.entries');
INSERT INTO inbox (delivery, feed, sequence, rows)
    SELECT $(quoted "$LANDFALL_DELIVERY"), manifest ->> 'feed', manifest ->> 'sequence', manifest ->> 'rows'
    FROM told;
COMMIT;

SELECT json_object('tables', json_array('files'), 'rows', rows)
    FROM inbox WHERE delivery = $(quoted "$LANDFALL_DELIVERY");
"
