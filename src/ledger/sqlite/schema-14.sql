-- What each alert told, and the message that is on its way, as JSON.
CREATE TABLE alert (
  name  TEXT NOT NULL PRIMARY KEY,
  state TEXT NOT NULL
) STRICT, WITHOUT ROWID;
