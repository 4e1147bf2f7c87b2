-- Sinks that a person has paused.
CREATE TABLE sink_pause (
  sink   TEXT NOT NULL PRIMARY KEY,
  since  INTEGER NOT NULL,
  reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;
