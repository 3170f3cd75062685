-- Valid for SQLite and PostgreSQL alike: BIGINT, INTEGER and TEXT only, no sequences, no booleans, times in microseconds.

-- +goose Up
CREATE TABLE catalog (
  one        INTEGER PRIMARY KEY CHECK (one = 1),
  id         TEXT    NOT NULL,
  revision   BIGINT  NOT NULL,
  next_id    BIGINT  NOT NULL, -- of requests
  created_us BIGINT  NOT NULL
);

CREATE TABLE projects (
  name       TEXT   PRIMARY KEY,
  owner      TEXT   NOT NULL,
  created_us BIGINT NOT NULL
);
INSERT INTO projects (name, owner, created_us) VALUES ('default', '', 0);

CREATE TABLE tables (
  id           TEXT    PRIMARY KEY,
  project      TEXT    NOT NULL REFERENCES projects (name),
  name         TEXT    NOT NULL,
  version      INTEGER NOT NULL,
  stopped      INTEGER NOT NULL DEFAULT 0,
  reason       TEXT    NOT NULL DEFAULT '',
  next_requeue BIGINT  NOT NULL DEFAULT 1,
  first_partitions INTEGER NOT NULL DEFAULT 0, -- of the topic when it was first read; 0: not yet
  created_us   BIGINT  NOT NULL,
  dropped_us   BIGINT  NOT NULL DEFAULT 0 -- 0: live
);
CREATE UNIQUE INDEX tables_live ON tables (project, name) WHERE dropped_us = 0;

CREATE TABLE table_versions (
  table_id   TEXT    NOT NULL REFERENCES tables (id),
  version    INTEGER NOT NULL,
  definition TEXT    NOT NULL, -- JSON of cube.Table without id and version
  created_us BIGINT  NOT NULL,
  PRIMARY KEY (table_id, version)
);

-- One row a partition: its fence (epoch), its present generation and its counters, so that no read of them grows with
-- the ledger.
CREATE TABLE partitions (
  table_id         TEXT    NOT NULL REFERENCES tables (id),
  partition        INTEGER NOT NULL,
  epoch            BIGINT  NOT NULL,
  owner            TEXT    NOT NULL DEFAULT '',
  address          TEXT    NOT NULL DEFAULT '',
  begun            INTEGER NOT NULL DEFAULT 0,
  generation       INTEGER NOT NULL DEFAULT 0,
  generation_epoch BIGINT  NOT NULL DEFAULT 0, -- the epoch that began the generation
  topic_id         TEXT    NOT NULL DEFAULT '',
  start_offset     BIGINT  NOT NULL DEFAULT 0,
  end_offset       BIGINT  NOT NULL DEFAULT 0,
  fp_offset        BIGINT  NOT NULL DEFAULT -1, -- -1: no fingerprint
  fp_timestamp_ms  BIGINT  NOT NULL DEFAULT 0,
  fp_hash          TEXT    NOT NULL DEFAULT '',
  fp_leader_epoch  INTEGER NOT NULL DEFAULT -1,
  max_time_us      BIGINT, -- highest event time ever committed, NULL while there is none; never goes back
  ledger_rows      BIGINT  NOT NULL DEFAULT 0,
  events           BIGINT  NOT NULL DEFAULT 0,
  gaps             BIGINT  NOT NULL DEFAULT 0,
  quarantined      BIGINT  NOT NULL DEFAULT 0,
  skipped          BIGINT  NOT NULL DEFAULT 0,
  lost             BIGINT  NOT NULL DEFAULT 0,
  files            BIGINT  NOT NULL DEFAULT 0, -- staged and supplement files
  bytes            BIGINT  NOT NULL DEFAULT 0,
  PRIMARY KEY (table_id, partition)
);

-- The generations that are over. The present one is in partitions.
CREATE TABLE generations (
  table_id     TEXT    NOT NULL,
  partition    INTEGER NOT NULL,
  generation   INTEGER NOT NULL,
  topic_id     TEXT    NOT NULL,
  start_offset BIGINT  NOT NULL,
  end_offset   BIGINT  NOT NULL,
  reason       TEXT    NOT NULL, -- why the next one began
  closed_us    BIGINT  NOT NULL,
  PRIMARY KEY (table_id, partition, generation),
  FOREIGN KEY (table_id, partition) REFERENCES partitions (table_id, partition)
);

CREATE TABLE files (
  file_key       TEXT    PRIMARY KEY,
  table_id       TEXT    NOT NULL REFERENCES tables (id),
  size           BIGINT  NOT NULL,
  sha256         TEXT    NOT NULL,
  format         TEXT    NOT NULL,
  schema_version INTEGER NOT NULL,
  records        BIGINT  NOT NULL,
  row_hash       TEXT    NOT NULL
);
CREATE INDEX files_table ON files (table_id);

-- Keyed by the end: the row that holds an offset is the first whose end is above it, and rows tile, so that order by end
-- is order by start.
CREATE TABLE ledger (
  table_id     TEXT    NOT NULL,
  partition    INTEGER NOT NULL,
  generation   INTEGER NOT NULL,
  start_offset BIGINT  NOT NULL,
  end_offset   BIGINT  NOT NULL,
  state        TEXT    NOT NULL,
  events       BIGINT  NOT NULL, -- those of supplements included
  exceptions   TEXT    NOT NULL, -- JSON run-length list, less committed supplements
  min_time_us  BIGINT  NOT NULL,
  max_time_us  BIGINT  NOT NULL,
  reason       TEXT    NOT NULL,
  epoch        BIGINT  NOT NULL,
  staged_key     TEXT, -- in files; no foreign keys: they would want three more indexes, or walk the ledger at each delete
  quarantine_key TEXT,
  ledger_key     TEXT,
  committed_us BIGINT  NOT NULL,
  PRIMARY KEY (table_id, partition, generation, end_offset),
  FOREIGN KEY (table_id, partition) REFERENCES partitions (table_id, partition)
);

-- What a supplement adds to one ledger row. A supplement may reach over several rows; when a row is replaced, only its
-- part goes.
CREATE TABLE supplements (
  table_id    TEXT    NOT NULL,
  partition   INTEGER NOT NULL,
  generation  INTEGER NOT NULL,
  row_end     BIGINT  NOT NULL, -- ledger.end_offset
  file_key    TEXT    NOT NULL REFERENCES files (file_key),
  requeue     BIGINT  NOT NULL,
  start_offset BIGINT NOT NULL, -- of the supplement, which may be wider than the row
  end_offset  BIGINT  NOT NULL,
  offsets     TEXT    NOT NULL, -- JSON run-length list, those in the row
  min_time_us BIGINT  NOT NULL, -- of the whole supplement
  max_time_us BIGINT  NOT NULL,
  PRIMARY KEY (table_id, partition, generation, row_end, file_key),
  FOREIGN KEY (table_id, partition, generation, row_end) REFERENCES ledger (table_id, partition, generation, end_offset)
);
CREATE INDEX supplements_file ON supplements (file_key);

-- A request for all partitions is one row each; a row goes when its partition has rolled.
CREATE TABLE roll_requests (
  id         BIGINT  NOT NULL,
  table_id   TEXT    NOT NULL REFERENCES tables (id),
  partition  INTEGER NOT NULL,
  up_to      BIGINT  NOT NULL,
  created_us BIGINT  NOT NULL,
  PRIMARY KEY (id, partition)
);

CREATE TABLE reread_requests (
  id           BIGINT  PRIMARY KEY,
  table_id     TEXT    NOT NULL REFERENCES tables (id),
  partition    INTEGER NOT NULL,
  generation   INTEGER NOT NULL,
  start_offset BIGINT  NOT NULL,
  end_offset   BIGINT  NOT NULL,
  requested_by TEXT    NOT NULL,
  done         INTEGER NOT NULL DEFAULT 0,
  problem      TEXT    NOT NULL DEFAULT '', -- why it came to nothing
  created_us   BIGINT  NOT NULL
);
CREATE INDEX reread_pending ON reread_requests (id) WHERE done = 0;

-- +goose Down
DROP TABLE reread_requests;
DROP TABLE roll_requests;
DROP TABLE supplements;
DROP TABLE ledger;
DROP TABLE files;
DROP TABLE generations;
DROP TABLE partitions;
DROP TABLE table_versions;
DROP TABLE tables;
DROP TABLE projects;
DROP TABLE catalog;
