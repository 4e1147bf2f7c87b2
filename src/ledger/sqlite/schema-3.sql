-- History as a hash tree (RFC 6962). `event.hash` is from here on the hash of the leaf: SHA-256 over
-- the byte 0 and the record's bytes. The complete subtrees from 256 leaves on are kept here as they
-- come about; the rest is made from the leaves.
CREATE TABLE tree_node (
  level    INTEGER NOT NULL,
  position INTEGER NOT NULL,
  hash     BLOB NOT NULL CHECK (length(hash) = 32),
  PRIMARY KEY (level, position)
) STRICT, WITHOUT ROWID;

-- What tells this log from every other. One row.
CREATE TABLE log (id TEXT NOT NULL CHECK (length(id) = 32)) STRICT;
INSERT INTO log (id) VALUES (lower(hex(randomblob(16))));

-- Roots that were signed. `root` and `at` repeat what `text` says, to look it up by.
CREATE TABLE checkpoint (
  size      INTEGER PRIMARY KEY,
  root      BLOB NOT NULL CHECK (length(root) = 32),
  at        INTEGER NOT NULL,
  text      TEXT NOT NULL,
  signature TEXT NOT NULL
) STRICT;
