-- What a person lets an arrival do against the rules of its feed, as JSON.
ALTER TABLE arrival ADD COLUMN allowance TEXT;

-- A person may decide that an arrival goes nowhere (see schema-2.sql for how a CHECK is widened).
PRAGMA writable_schema = ON;
UPDATE sqlite_schema
  SET sql = replace(sql, '''retracted'', ''tested'')', '''retracted'', ''tested'', ''rejected'')')
  WHERE type = 'table' AND name = 'arrival';
PRAGMA writable_schema = RESET;
