-- +goose Up
-- Times are microseconds since 1970 in UTC; NULL means that it has not happened.
CREATE TABLE calls (
  id            TEXT PRIMARY KEY,
  line          TEXT NOT NULL,
  device        TEXT NOT NULL,
  started       INTEGER NOT NULL,
  answered      INTEGER,
  decided       INTEGER,
  ended         INTEGER,
  caller_number TEXT NOT NULL,
  caller_name   TEXT NOT NULL,
  caller_status TEXT NOT NULL,
  called        TEXT NOT NULL,
  connect       TEXT NOT NULL,
  dialog        TEXT NOT NULL,
  plugin        TEXT NOT NULL,
  user          TEXT NOT NULL,
  domain        TEXT NOT NULL,
  verdict       INTEGER NOT NULL,  -- SECURITYMSG_*: 1 success, 2 failure, 3 error, 0 none
  code          INTEGER NOT NULL,  -- Winerror.h or Raserror.h
  events        TEXT NOT NULL,     -- JSON list of event numbers
  service       TEXT NOT NULL,
  octets_in     INTEGER NOT NULL,
  octets_out    INTEGER NOT NULL,
  cause         INTEGER NOT NULL,  -- Acct-Terminate-Cause of RFC 2866, 0 none yet
  cause_name    TEXT NOT NULL,
  reason        TEXT NOT NULL,
  exit          TEXT NOT NULL,
  steps         TEXT NOT NULL      -- JSON list of {"at": microseconds, "what": text}
);
CREATE INDEX calls_started ON calls (started);
CREATE INDEX calls_line ON calls (line, started);
CREATE INDEX calls_open ON calls (id) WHERE ended IS NULL;

-- +goose Down
DROP TABLE calls;
