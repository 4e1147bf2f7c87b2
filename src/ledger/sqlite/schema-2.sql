-- What a received arrival waits for, and when it is looked at again at the latest. Stays while it is
-- held for want of it. `same_bytes_as`: an earlier arrival of the sender in the feed with the same
-- bytes under another name.
ALTER TABLE arrival ADD COLUMN waits TEXT
  CHECK (waits IN ('hold', 'marker', 'checksum', 'check'));
ALTER TABLE arrival ADD COLUMN look_at INTEGER;
ALTER TABLE arrival ADD COLUMN same_bytes_as BLOB CHECK (length(same_bytes_as) = 16);
CREATE INDEX arrival_waits ON arrival (look_at)
  WHERE waits IS NOT NULL AND state IN ('received', 'held');

-- A test ends in a state of its own. SQLite has no other way to widen a CHECK without writing the
-- whole table anew (https://sqlite.org/lang_altertable.html, section 7).
PRAGMA writable_schema = ON;
UPDATE sqlite_schema
  SET sql = replace(sql, '''superseded'', ''retracted'')', '''superseded'', ''retracted'', ''tested'')')
  WHERE type = 'table' AND name = 'arrival';
PRAGMA writable_schema = RESET;

-- Small files that speak of another. `file` is its name, `arrival` the version they are recorded
-- with. An older one of the same name stays, with `current` 0.
CREATE TABLE sidecar (
  sequence    INTEGER PRIMARY KEY,
  sender      TEXT NOT NULL,
  feed        TEXT NOT NULL,
  name        BLOB NOT NULL,
  file        BLOB NOT NULL,
  kind        TEXT NOT NULL CHECK (kind IN ('ok', 'done', 'md5', 'sha1', 'sha256')),
  bytes       BLOB NOT NULL CHECK (length(bytes) <= 65536),
  digest      BLOB NOT NULL CHECK (length(digest) = 32),
  received_at INTEGER NOT NULL,
  modified_s  INTEGER,
  mode        INTEGER,
  fingerprint TEXT,
  arrival     BLOB CHECK (length(arrival) = 16),
  verdict     TEXT CHECK (verdict IN ('seen', 'agrees', 'differs', 'unreadable')),
  current     INTEGER NOT NULL CHECK (current IN (0, 1)),
  hidden      INTEGER NOT NULL CHECK (hidden IN (0, 1)),
  told        INTEGER NOT NULL CHECK (told IN (0, 1))
) STRICT;
CREATE UNIQUE INDEX sidecar_current ON sidecar (sender, feed, name) WHERE current = 1;
CREATE INDEX sidecar_file ON sidecar (sender, feed, file) WHERE current = 1 AND hidden = 0;
CREATE INDEX sidecar_arrival ON sidecar (arrival, sequence) WHERE arrival IS NOT NULL;
CREATE INDEX sidecar_usage ON sidecar (sender, received_at);
CREATE INDEX sidecar_to_check ON sidecar (sequence)
  WHERE verdict IS NULL AND arrival IS NOT NULL AND current = 1;
CREATE INDEX sidecar_alone ON sidecar (told, received_at)
  WHERE arrival IS NULL AND current = 1 AND hidden = 0;
CREATE INDEX sidecar_differs ON sidecar (sequence) WHERE verdict = 'differs' AND current = 1;
