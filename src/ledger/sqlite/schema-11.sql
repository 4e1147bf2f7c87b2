-- Feeds that are expected to bring files by a time, and since when.
CREATE TABLE expecting (
  feed  TEXT NOT NULL PRIMARY KEY,
  since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Dates whose time is over, or whose files have come.
CREATE TABLE expected (
  feed   TEXT NOT NULL,
  date   TEXT NOT NULL,
  state  TEXT NOT NULL CHECK (state IN ('late', 'missing', 'complete', 'excused')),
  due_at INTEGER NOT NULL,
  PRIMARY KEY (feed, date)
) STRICT, WITHOUT ROWID;
CREATE INDEX expected_late ON expected (feed, date) WHERE state IN ('late', 'missing');

-- Arrivals that the calendar has seen; `sequence` is the arrival's. `measured` when its size was
-- compared with that of those before.
CREATE TABLE counted (
  sequence INTEGER PRIMARY KEY,
  arrival  BLOB NOT NULL UNIQUE CHECK (length(arrival) = 16),
  feed     TEXT NOT NULL,
  date     TEXT,
  counts   TEXT NOT NULL CHECK (counts IN ('file', 'again', 'extra', 'other')),
  measured TEXT CHECK (measured IN ('usual', 'unusual'))
) STRICT;
CREATE INDEX counted_date ON counted (feed, date) WHERE counts = 'file';
CREATE INDEX counted_file ON counted (feed, sequence) WHERE counts = 'file';
CREATE INDEX counted_extra ON counted (feed, sequence) WHERE counts = 'extra';
CREATE INDEX counted_usual ON counted (feed, sequence) WHERE measured = 'usual';
CREATE INDEX counted_unusual ON counted (feed, sequence) WHERE measured = 'unusual';

-- The newest event that the calendar has seen, and when it last looked which dates are over. One row.
CREATE TABLE calendar (
  one    INTEGER PRIMARY KEY CHECK (one = 1),
  seen   INTEGER NOT NULL,
  judged INTEGER
) STRICT;
