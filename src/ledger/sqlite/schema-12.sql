-- Arrivals may be erased (see schema-2.sql for how a CHECK is widened), and what an erasure takes
-- back has no replacement.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema
  SET sql = replace(sql, '''tested'', ''rejected'')', '''tested'', ''rejected'', ''erasing'', ''erased'')')
  WHERE type = 'table' AND name = 'arrival';
UPDATE sqlite_schema
  SET sql = replace(sql, 'replaced_by BLOB NOT NULL CHECK', 'replaced_by BLOB CHECK')
  WHERE type = 'table' AND name = 'retraction';
PRAGMA writable_schema = RESET;

-- Erasures. `erased_at` is set once every copy is gone, `retract` while a batch has yet to take back
-- what was published.
CREATE TABLE erasure (
  arrival   INTEGER PRIMARY KEY REFERENCES arrival (sequence),
  feed      TEXT NOT NULL,
  began_at  INTEGER NOT NULL,
  erased_at INTEGER,
  by        TEXT NOT NULL,
  reason    TEXT NOT NULL,
  retract   INTEGER NOT NULL CHECK (retract IN (0, 1))
) STRICT;
CREATE INDEX erasure_open ON erasure (arrival) WHERE erased_at IS NULL;
CREATE INDEX erasure_retract ON erasure (feed) WHERE retract = 1;
CREATE INDEX erasure_at ON erasure (erased_at) WHERE erased_at IS NOT NULL;
