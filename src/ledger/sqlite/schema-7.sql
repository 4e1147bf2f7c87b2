-- Kept files that are not as the ledger says, until they are mended.
CREATE TABLE finding (
  path     TEXT NOT NULL PRIMARY KEY,
  problem  TEXT NOT NULL CHECK (problem IN ('damaged', 'missing', 'unreadable', 'unknown')),
  since    INTEGER NOT NULL,
  arrival  BLOB CHECK (length(arrival) = 16),
  recorded BLOB CHECK (length(recorded) = 32),
  found    BLOB CHECK (length(found) = 32)
) STRICT, WITHOUT ROWID;

-- How far the round has come in which the server reads kept files again. One row.
CREATE TABLE verify_round (
  one      INTEGER PRIMARY KEY CHECK (one = 1),
  began_at INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  files    INTEGER NOT NULL,
  bytes    INTEGER NOT NULL,
  problems INTEGER NOT NULL,
  unknown  INTEGER NOT NULL
) STRICT;
