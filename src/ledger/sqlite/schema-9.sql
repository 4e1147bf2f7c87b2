-- Files also come through pulls (see schema-2.sql for how a CHECK is widened).
PRAGMA writable_schema = ON;
UPDATE sqlite_schema
  SET sql = replace(sql, '''folder'', ''local'')', '''folder'', ''local'', ''pull'')')
  WHERE type = 'table' AND name = 'arrival';
PRAGMA writable_schema = RESET;

-- How far each pull has come, and how it fares. `failing_since` and `error` are set while it fails.
CREATE TABLE pull (
  name          TEXT NOT NULL PRIMARY KEY,
  began_at      INTEGER NOT NULL,
  ended_at      INTEGER NOT NULL,
  succeeded_at  INTEGER,
  run           TEXT,
  watermark     TEXT,
  failing_since INTEGER,
  attempts      INTEGER NOT NULL DEFAULT 0,
  error         TEXT
) STRICT, WITHOUT ROWID;
