-- A published arrival that is converted again. `made` is what came of it, `ended` how it ended, as
-- JSON; the row of the last replay stays.
CREATE TABLE replay (
  arrival  INTEGER PRIMARY KEY REFERENCES arrival (sequence),
  feed     TEXT NOT NULL,
  state    TEXT NOT NULL CHECK (state IN ('asked', 'made', 'ended')),
  by       TEXT NOT NULL,
  reason   TEXT NOT NULL,
  asked_at INTEGER NOT NULL,
  made     TEXT,
  ended    TEXT
) STRICT;
CREATE INDEX replay_open ON replay (feed, state, arrival) WHERE state IN ('asked', 'made');
