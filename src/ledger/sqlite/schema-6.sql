-- Why a batch closed, as JSON, and the end of the window of time that it closed for.
ALTER TABLE batch ADD COLUMN because TEXT;
ALTER TABLE batch ADD COLUMN window_end INTEGER;
CREATE INDEX batch_window ON batch (feed, window_end) WHERE window_end IS NOT NULL;
