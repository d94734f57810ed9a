-- +goose Up
-- What happened on the lines besides calls. id is the order; at is microseconds since 1970 in UTC.
CREATE TABLE line_events (
  id     INTEGER PRIMARY KEY,
  line   TEXT NOT NULL,
  at     INTEGER NOT NULL,
  kind   TEXT NOT NULL,
  text   TEXT NOT NULL,
  result TEXT NOT NULL,
  count  INTEGER NOT NULL  -- how many events like this one it stands for
);
CREATE INDEX line_events_line ON line_events (line, id);

-- +goose Down
DROP TABLE line_events;
