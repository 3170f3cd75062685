-- Valid for SQLite and PostgreSQL alike, as 00001.

-- +goose Up

-- Changes with every change of a cube, its segments or its jobs' reservations. Separate from revision, so that a publish does
-- not make ingest look at its tables.
ALTER TABLE catalog ADD COLUMN cubes_revision BIGINT NOT NULL DEFAULT 1;

-- Of the next row of ledger_changes.
ALTER TABLE tables ADD COLUMN next_change BIGINT NOT NULL DEFAULT 1;

CREATE TABLE cubes (
  id             TEXT    PRIMARY KEY,
  project        TEXT    NOT NULL REFERENCES projects (name),
  name           TEXT    NOT NULL,
  table_id       TEXT    NOT NULL REFERENCES tables (id),
  version        INTEGER NOT NULL,
  disabled       INTEGER NOT NULL DEFAULT 0,
  reason         TEXT    NOT NULL DEFAULT '',
  start_ranges   TEXT    NOT NULL DEFAULT '[]', -- JSON vector: where the first segment begins, once that is fixed
  revision       BIGINT  NOT NULL, -- the catalog's cubes_revision of its last change
  next_segment   BIGINT  NOT NULL DEFAULT 1,
  next_epoch     BIGINT  NOT NULL DEFAULT 1, -- of jobs; also names the folders that they write
  checked_change BIGINT  NOT NULL, -- ledger_changes up to here are known to its segments
  created_us     BIGINT  NOT NULL,
  dropped_us     BIGINT  NOT NULL DEFAULT 0 -- 0: live
);
CREATE UNIQUE INDEX cubes_live ON cubes (project, name) WHERE dropped_us = 0;
CREATE INDEX cubes_changed ON cubes (revision);
CREATE INDEX cubes_table ON cubes (table_id);

CREATE TABLE cube_versions (
  cube_id    TEXT    NOT NULL REFERENCES cubes (id),
  version    INTEGER NOT NULL,
  definition TEXT    NOT NULL, -- JSON of cube.Cube without id and version
  created_us BIGINT  NOT NULL,
  PRIMARY KEY (cube_id, version)
);

-- A new one whose job ends without it is deleted; a retired one stays, as history.
CREATE TABLE segments (
  cube_id       TEXT    NOT NULL REFERENCES cubes (id),
  number        BIGINT  NOT NULL,
  state         TEXT    NOT NULL, -- new, ready, retired
  version       INTEGER NOT NULL, -- of the cube's definition
  ranges        TEXT    NOT NULL, -- JSON vector
  reason        TEXT    NOT NULL,
  replaces      TEXT    NOT NULL, -- JSON list of numbers
  job_id        BIGINT  NOT NULL,
  id            TEXT    NOT NULL DEFAULT '',
  attempt       BIGINT  NOT NULL DEFAULT 0,
  parts         TEXT    NOT NULL DEFAULT '[]', -- JSON, measured
  min_time_us   BIGINT  NOT NULL DEFAULT 0,
  max_time_us   BIGINT  NOT NULL DEFAULT 0,
  events        BIGINT  NOT NULL DEFAULT 0,
  bytes         BIGINT  NOT NULL DEFAULT 0,
  inputs_change BIGINT  NOT NULL DEFAULT 0, -- the table's change when its inputs were read
  stale         INTEGER NOT NULL DEFAULT 0, -- its inputs have changed since
  retire_reason TEXT    NOT NULL DEFAULT '',
  created_us    BIGINT  NOT NULL,
  published_us  BIGINT  NOT NULL DEFAULT 0,
  retired_us    BIGINT  NOT NULL DEFAULT 0,
  removed_us    BIGINT  NOT NULL DEFAULT 0, -- its objects are gone
  PRIMARY KEY (cube_id, number)
);
CREATE INDEX segments_new ON segments (cube_id, number) WHERE state = 'new';
CREATE INDEX segments_ready ON segments (cube_id, max_time_us) WHERE state = 'ready';
CREATE INDEX segments_stale ON segments (cube_id) WHERE stale = 1 AND state = 'ready';
CREATE INDEX segments_retired ON segments (retired_us) WHERE state = 'retired' AND removed_us = 0;

-- The ranges of live segments, one row a partition and generation. Rows of one kind, ready or new, do not overlap, so that
-- order by end is order by start, and the first row whose end is above an offset is the only one that may hold it. Empty
-- ranges are a kind of their own: they say where a partition stands.
CREATE TABLE segment_ranges (
  cube_id      TEXT    NOT NULL,
  kind         TEXT    NOT NULL, -- ready, new, empty
  partition    INTEGER NOT NULL,
  generation   INTEGER NOT NULL,
  end_offset   BIGINT  NOT NULL,
  number       BIGINT  NOT NULL,
  start_offset BIGINT  NOT NULL,
  PRIMARY KEY (cube_id, kind, partition, generation, end_offset, number),
  FOREIGN KEY (cube_id, number) REFERENCES segments (cube_id, number)
);
CREATE INDEX segment_ranges_segment ON segment_ranges (cube_id, number);

-- Rows of a ledger whose events have changed: by a supplement, or by being read again. Numbers of one table ascend in the
-- order of commits.
CREATE TABLE ledger_changes (
  table_id     TEXT    NOT NULL REFERENCES tables (id),
  change       BIGINT  NOT NULL,
  partition    INTEGER NOT NULL,
  generation   INTEGER NOT NULL,
  start_offset BIGINT  NOT NULL,
  end_offset   BIGINT  NOT NULL,
  created_us   BIGINT  NOT NULL,
  PRIMARY KEY (table_id, change)
);

-- reserved: its segment is new. until_us: while pending, not before; while running, the end of the lease; while
-- waiting_for_staging, when it gives up; when failed and reserved, how long the reservation is kept.
CREATE TABLE jobs (
  id           BIGINT  PRIMARY KEY,
  cube_id      TEXT    NOT NULL REFERENCES cubes (id),
  segment      BIGINT  NOT NULL,
  kind         TEXT    NOT NULL,
  state        TEXT    NOT NULL,
  reserved     INTEGER NOT NULL DEFAULT 1,
  priority     INTEGER NOT NULL,
  spec         TEXT    NOT NULL, -- JSON
  submitted_by TEXT    NOT NULL,
  attempts     INTEGER NOT NULL DEFAULT 0,
  epoch        BIGINT  NOT NULL DEFAULT 0,
  owner        TEXT    NOT NULL DEFAULT '',
  until_us     BIGINT  NOT NULL DEFAULT 0,
  lease_us     BIGINT  NOT NULL DEFAULT 0, -- length of its last lease
  steps        TEXT    NOT NULL DEFAULT '[]', -- JSON
  problem      TEXT    NOT NULL DEFAULT '', -- why it failed, waits, or ended without a segment
  log_lines    BIGINT  NOT NULL DEFAULT 0, -- ever written
  created_us   BIGINT  NOT NULL,
  started_us   BIGINT  NOT NULL DEFAULT 0, -- of the last attempt
  ended_us     BIGINT  NOT NULL DEFAULT 0
);
CREATE INDEX jobs_reserved ON jobs (id) WHERE reserved = 1;
CREATE INDEX jobs_reserved_cube ON jobs (cube_id, id) WHERE reserved = 1;
CREATE INDEX jobs_pending ON jobs (priority, id) WHERE state = 'pending';
CREATE INDEX jobs_running ON jobs (priority, id) WHERE state = 'running';
CREATE INDEX jobs_of_segment ON jobs (cube_id, segment);
-- Newest first. By -id, since no other index has that order: PostgreSQL would else walk back through the jobs of all cubes
-- and states until it has found enough.
CREATE INDEX jobs_state ON jobs (state, (-id));
CREATE INDEX jobs_cube ON jobs (cube_id, state, (-id));
CREATE INDEX jobs_ended ON jobs (ended_us) WHERE ended_us > 0;

CREATE TABLE job_log (
  job_id BIGINT NOT NULL REFERENCES jobs (id),
  line   BIGINT NOT NULL, -- counts from 1
  at_us  BIGINT NOT NULL,
  text   TEXT   NOT NULL,
  PRIMARY KEY (job_id, line)
);

-- Answers to requests that create something, so that the same request again gets the same answer.
CREATE TABLE answers (
  request_key TEXT   PRIMARY KEY,
  request     TEXT   NOT NULL,
  answer      TEXT   NOT NULL,
  created_us  BIGINT NOT NULL
);
CREATE INDEX answers_age ON answers (created_us);

-- Objects that nothing named when clean-up looked: its first pass marks, a later one removes.
CREATE TABLE garbage (
  object_key TEXT   PRIMARY KEY, -- ends in "/": a folder
  reason     TEXT   NOT NULL,
  marked_us  BIGINT NOT NULL
);
CREATE INDEX garbage_age ON garbage (marked_us);

-- +goose Down
DROP TABLE garbage;
DROP TABLE answers;
DROP TABLE job_log;
DROP TABLE jobs;
DROP TABLE ledger_changes;
DROP TABLE segment_ranges;
DROP TABLE segments;
DROP TABLE cube_versions;
DROP TABLE cubes;
ALTER TABLE tables DROP COLUMN next_change;
ALTER TABLE catalog DROP COLUMN cubes_revision;
