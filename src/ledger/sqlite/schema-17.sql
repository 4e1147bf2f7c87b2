-- Parts of what is kept of an arrival that are past the time their feed keeps them: `retired_at` when
-- it was decided, `gone_at` once nothing is left. See src/ledger/retirement.rs.
ALTER TABLE batch_file ADD COLUMN retired_at INTEGER;
ALTER TABLE batch_file ADD COLUMN gone_at INTEGER;
CREATE INDEX batch_file_retiring ON batch_file (arrival)
  WHERE retired_at IS NOT NULL AND gone_at IS NULL;
ALTER TABLE arrival ADD COLUMN receipt_retired_at INTEGER;
ALTER TABLE arrival ADD COLUMN receipt_gone_at INTEGER;
CREATE INDEX arrival_retiring ON arrival (sequence)
  WHERE receipt_retired_at IS NOT NULL AND receipt_gone_at IS NULL;
