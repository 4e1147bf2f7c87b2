-- A period is looked up by id, which begins with the time of receipt (UUID version 7).
DROP INDEX arrival_received;
-- Versions of a name that are not its current one; those are in `arrival_current`.
CREATE INDEX arrival_older ON arrival (name) WHERE current = 0;
