-- Files of a batch that have the rows of several arrivals. `size_bytes` and `digest` are set once the
-- file is written and durable; it waits at `origin` until it is published.
CREATE TABLE merged_file (
  target     TEXT NOT NULL PRIMARY KEY,
  feed       TEXT NOT NULL,
  sequence   INTEGER NOT NULL,
  origin     TEXT NOT NULL,
  rows       INTEGER NOT NULL,
  size_bytes INTEGER,
  digest     BLOB CHECK (length(digest) = 32),
  FOREIGN KEY (feed, sequence) REFERENCES batch (feed, sequence)
) STRICT, WITHOUT ROWID;
CREATE INDEX merged_file_batch ON merged_file (feed, sequence);

-- Where the rows of the arrival begin in a merged `target`, and in the `origin` that they are taken
-- from; NULL for a file of one arrival. `size_bytes` and `digest` are those of `origin`.
ALTER TABLE batch_file ADD COLUMN first_row INTEGER;
ALTER TABLE batch_file ADD COLUMN origin_row INTEGER;
CREATE INDEX batch_file_merged ON batch_file (target) WHERE first_row IS NOT NULL;
