-- History. `record` is the canonical JSON of the event; `hash` is SHA-256 over the previous hash
-- and the record's bytes. `at` and `arrival` repeat what the record says, to look it up by.
CREATE TABLE event (
  sequence INTEGER PRIMARY KEY,
  at       INTEGER NOT NULL,
  arrival  BLOB CHECK (length(arrival) = 16),
  record   TEXT NOT NULL,
  hash     BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX event_arrival ON event (arrival, sequence) WHERE arrival IS NOT NULL;

-- One settled file version. `sequence` is the order of receipt.
CREATE TABLE arrival (
  sequence     INTEGER PRIMARY KEY,
  id           BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
  sender       TEXT NOT NULL,
  door         TEXT NOT NULL CHECK (door IN ('sftp', 'folder', 'local')),
  feed         TEXT NOT NULL,
  name         BLOB NOT NULL,
  size_bytes   INTEGER NOT NULL,
  digest       BLOB NOT NULL CHECK (length(digest) = 32),
  raw          TEXT NOT NULL,
  received_at  INTEGER NOT NULL,
  -- The last time its sender sent these bytes under this name.
  offered_at   INTEGER NOT NULL,
  modified_s   INTEGER,
  mode         INTEGER,
  origin       TEXT,
  fingerprint  TEXT,
  state        TEXT NOT NULL CHECK (state IN (
    'received', 'converted', 'raw', 'batched', 'published', 'handed_off', 'held', 'duplicate',
    'superseded', 'retracted')),
  changed_at   INTEGER NOT NULL,
  current      INTEGER NOT NULL CHECK (current IN (0, 1)),
  hidden       INTEGER NOT NULL CHECK (hidden IN (0, 1)),
  -- What its feed said at receipt: `same_name = "replace"`, `duplicates = "skip"`.
  replace_same_name INTEGER NOT NULL CHECK (replace_same_name IN (0, 1)),
  skip_duplicate    INTEGER NOT NULL CHECK (skip_duplicate IN (0, 1)),
  duplicate_of BLOB CHECK (length(duplicate_of) = 16),
  supersedes   BLOB CHECK (length(supersedes) = 16),
  diagnostic   TEXT,
  batch        BLOB CHECK (length(batch) = 16)
) STRICT;
-- At most one current version of a name.
CREATE UNIQUE INDEX arrival_current ON arrival (sender, feed, name) WHERE current = 1;
CREATE INDEX arrival_listed ON arrival (sender, feed, offered_at) WHERE current = 1 AND hidden = 0;
CREATE INDEX arrival_usage ON arrival (sender, received_at, size_bytes);
CREATE INDEX arrival_sender ON arrival (sender, sequence);
CREATE INDEX arrival_feed ON arrival (feed, sequence);
CREATE INDEX arrival_state ON arrival (state, sequence);
CREATE INDEX arrival_digest ON arrival (digest);
CREATE INDEX arrival_received ON arrival (received_at);
CREATE INDEX arrival_ready ON arrival (feed, sequence) WHERE state IN ('converted', 'raw');

-- How many arrivals of a feed are in a state; kept with every change.
CREATE TABLE tally (
  feed  TEXT NOT NULL,
  state TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (feed, state)
) STRICT, WITHOUT ROWID;

-- What the converter made of an arrival; outputs and report are JSON.
CREATE TABLE conversion (
  arrival   INTEGER PRIMARY KEY REFERENCES arrival (sequence),
  converter TEXT NOT NULL,
  version   INTEGER NOT NULL,
  revision  INTEGER NOT NULL,
  seen      INTEGER NOT NULL,
  written   INTEGER NOT NULL,
  rejected  INTEGER NOT NULL,
  skipped   INTEGER NOT NULL,
  parquet   TEXT NOT NULL,
  rejects   TEXT,
  report    TEXT NOT NULL
) STRICT;

-- Every revision of a feed's learned schema, and the arrival that taught it.
CREATE TABLE learned (
  feed     TEXT NOT NULL,
  revision INTEGER NOT NULL,
  version  INTEGER NOT NULL,
  columns  TEXT NOT NULL,
  arrival  BLOB NOT NULL CHECK (length(arrival) = 16),
  PRIMARY KEY (feed, revision)
) STRICT, WITHOUT ROWID;

-- `newer` is to take the place of `older`, which may be published. The row goes when the older one
-- is superseded or a batch has fixed its retraction. `late` when the newer one was in a batch
-- already, so that another batch must carry the retraction.
CREATE TABLE replacement (
  newer INTEGER NOT NULL REFERENCES arrival (sequence),
  older INTEGER NOT NULL REFERENCES arrival (sequence),
  feed  TEXT NOT NULL,
  late  INTEGER NOT NULL CHECK (late IN (0, 1)),
  PRIMARY KEY (newer, older)
) STRICT, WITHOUT ROWID;
CREATE INDEX replacement_late ON replacement (feed, older) WHERE late = 1;

CREATE TABLE batch (
  id              BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  feed            TEXT NOT NULL,
  sequence        INTEGER NOT NULL,
  previous        BLOB CHECK (length(previous) = 16),
  version         INTEGER,
  closed_at       INTEGER NOT NULL,
  state           TEXT NOT NULL CHECK (state IN ('closed', 'published')),
  published_at    INTEGER,
  manifest_digest BLOB CHECK (length(manifest_digest) = 32),
  UNIQUE (feed, sequence)
) STRICT;
-- At most one closed batch of a feed.
CREATE UNIQUE INDEX batch_closed ON batch (feed) WHERE state = 'closed';

-- What a batch publishes, in order. `retracted` is the sequence of the batch that takes it back.
CREATE TABLE batch_file (
  feed       TEXT NOT NULL,
  sequence   INTEGER NOT NULL,
  position   INTEGER NOT NULL,
  arrival    BLOB NOT NULL CHECK (length(arrival) = 16),
  origin     TEXT NOT NULL,
  target     TEXT NOT NULL,
  kind       TEXT NOT NULL CHECK (kind IN ('parquet', 'rejects', 'raw')),
  rows       INTEGER NOT NULL,
  size_bytes INTEGER NOT NULL,
  digest     BLOB NOT NULL CHECK (length(digest) = 32),
  retracted  INTEGER,
  PRIMARY KEY (feed, sequence, position),
  FOREIGN KEY (feed, sequence) REFERENCES batch (feed, sequence)
) STRICT, WITHOUT ROWID;
CREATE INDEX batch_file_arrival ON batch_file (arrival);

-- What a batch takes back. `done` once the file is out of the lake.
CREATE TABLE retraction (
  feed        TEXT NOT NULL,
  sequence    INTEGER NOT NULL,
  position    INTEGER NOT NULL,
  arrival     BLOB NOT NULL CHECK (length(arrival) = 16),
  batch       BLOB NOT NULL CHECK (length(batch) = 16),
  path        TEXT NOT NULL,
  replaced_by BLOB NOT NULL CHECK (length(replaced_by) = 16),
  done        INTEGER NOT NULL CHECK (done IN (0, 1)),
  PRIMARY KEY (feed, sequence, position),
  FOREIGN KEY (feed, sequence) REFERENCES batch (feed, sequence)
) STRICT, WITHOUT ROWID;
CREATE INDEX retraction_due ON retraction (arrival) WHERE done = 0;

-- A batch on its way to one sink.
CREATE TABLE delivery (
  batch           BLOB NOT NULL REFERENCES batch (id),
  sink            TEXT NOT NULL,
  feed            TEXT NOT NULL,
  sequence        INTEGER NOT NULL,
  state           TEXT NOT NULL CHECK (state IN ('pending', 'acknowledged', 'stalled', 'skipped')),
  attempts        INTEGER NOT NULL,
  due_at          INTEGER NOT NULL,
  last_error      TEXT,
  acknowledgement TEXT,
  PRIMARY KEY (batch, sink)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_open ON delivery (sink, feed, sequence) WHERE state IN ('pending', 'stalled');
CREATE INDEX delivery_first ON delivery (feed) WHERE state = 'pending' AND attempts = 0;
