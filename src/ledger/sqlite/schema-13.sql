-- Legal holds. The scope is JSON; the row of one that was released stays until its name is used again.
CREATE TABLE hold (
  name           TEXT NOT NULL PRIMARY KEY,
  scope          TEXT NOT NULL,
  by             TEXT NOT NULL,
  reason         TEXT NOT NULL,
  placed_at      INTEGER NOT NULL,
  released_at    INTEGER,
  released_by    TEXT,
  release_reason TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX hold_standing ON hold (name) WHERE released_at IS NULL;
