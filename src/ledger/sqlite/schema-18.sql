-- Loads of configurations and contracts, few among very many events. The terms are those that they are
-- looked for by.
CREATE INDEX event_load ON event (sequence)
  WHERE arrival IS NULL
    AND (instr(record, '"kind":"config_loaded"') OR instr(record, '"kind":"contract_loaded"'));

-- What the archive took for each feed is summed up from it alone.
DROP INDEX arrival_feed;
CREATE INDEX arrival_feed ON arrival (feed, sequence, size_bytes, received_at);
