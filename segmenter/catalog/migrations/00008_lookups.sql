-- Valid for SQLite and PostgreSQL alike, as 00001.

-- +goose Up

-- Lookup tables: values by a key, in snapshots of which each is a version.
CREATE TABLE lookups (
  id         TEXT   PRIMARY KEY,
  project    TEXT   NOT NULL REFERENCES projects (name),
  name       TEXT   NOT NULL,
  version    BIGINT NOT NULL, -- the newest
  created_us BIGINT NOT NULL,
  dropped_us BIGINT NOT NULL DEFAULT 0 -- 0: live
);
CREATE UNIQUE INDEX lookups_live ON lookups (project, name) WHERE dropped_us = 0;

CREATE TABLE lookup_versions (
  lookup_id  TEXT   NOT NULL REFERENCES lookups (id),
  version    BIGINT NOT NULL, -- counts from 1
  definition TEXT   NOT NULL, -- JSON of cube.Lookup without id and version
  object_key TEXT   NOT NULL UNIQUE,
  size       BIGINT NOT NULL,
  sha256     TEXT   NOT NULL,
  row_count  BIGINT NOT NULL,
  created_us BIGINT NOT NULL,
  PRIMARY KEY (lookup_id, version)
);

-- +goose Down
DROP TABLE lookup_versions;
DROP TABLE lookups;
