-- Who excused a date, and why; only while it is excused. Without a name, the calendar itself did.
ALTER TABLE expected ADD COLUMN excused_by TEXT;
ALTER TABLE expected ADD COLUMN excused_for TEXT;
CREATE INDEX expected_excused ON expected (feed, date) WHERE excused_by IS NOT NULL;
