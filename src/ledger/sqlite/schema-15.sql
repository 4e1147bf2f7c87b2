-- Why an arrival is erased: a person asked for it, or it is past the time that its feed keeps it.
ALTER TABLE erasure ADD COLUMN cause TEXT NOT NULL DEFAULT 'asked'
  CHECK (cause IN ('asked', 'retention'));
