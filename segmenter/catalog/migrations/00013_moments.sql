-- Valid for SQLite and PostgreSQL alike, as 00001. What was committed at an earlier moment can be asked for.

-- +goose Up

-- The moment of the last transaction that changed what is committed. Each such transaction takes the next version, and holds this
-- row until it ends: whoever sees a version sees all before it.
CREATE TABLE moments (
  one     INTEGER PRIMARY KEY CHECK (one = 1),
  version BIGINT  NOT NULL,
  at_us   BIGINT  NOT NULL -- ascends with the version
);
INSERT INTO moments (one, version, at_us) VALUES (1, 0, 0);

-- What a partition held after a moment that changed it. Counts are of all its generations.
CREATE TABLE partition_moments (
  table_id     TEXT    NOT NULL,
  partition    INTEGER NOT NULL,
  version      BIGINT  NOT NULL,
  at_us        BIGINT  NOT NULL,
  generation   INTEGER NOT NULL,
  start_offset BIGINT  NOT NULL,
  end_offset   BIGINT  NOT NULL,
  max_time_us  BIGINT, -- highest event time ever committed, NULL while there is none
  events       BIGINT  NOT NULL,
  gaps         BIGINT  NOT NULL,
  quarantined  BIGINT  NOT NULL,
  skipped      BIGINT  NOT NULL,
  lost         BIGINT  NOT NULL,
  files        BIGINT  NOT NULL,
  PRIMARY KEY (table_id, partition, version)
);
CREATE INDEX partition_moments_at ON partition_moments (at_us);

-- The moment from which on the table's earlier ones are known.
ALTER TABLE tables ADD COLUMN first_version BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tables ADD COLUMN first_us BIGINT NOT NULL DEFAULT 0;

-- What a change did to events, as JSON lists of [start, end): offsets that were none before, and those that are none since.
-- Prepended: its range begins a line further to the front.
ALTER TABLE ledger_changes ADD COLUMN version BIGINT NOT NULL DEFAULT 0;
ALTER TABLE ledger_changes ADD COLUMN added TEXT NOT NULL DEFAULT '[]';
ALTER TABLE ledger_changes ADD COLUMN removed TEXT NOT NULL DEFAULT '[]';
ALTER TABLE ledger_changes ADD COLUMN prepended INTEGER NOT NULL DEFAULT 0;

-- The table's change when it was published: no later one is in its events. Of a merge, the highest of those that it replaces.
ALTER TABLE segments ADD COLUMN latest_change BIGINT NOT NULL DEFAULT 0;

UPDATE moments SET version = 1, at_us = (SELECT MAX(x.us) FROM (SELECT MAX(committed_us) AS us FROM ledger
  UNION ALL SELECT MAX(created_us) FROM ledger_changes UNION ALL SELECT 0) AS x)
  WHERE EXISTS (SELECT 1 FROM tables);
UPDATE tables SET first_version = (SELECT version FROM moments), first_us = (SELECT at_us FROM moments);
UPDATE segments SET latest_change = COALESCE((SELECT p.next_change - 1 FROM tables p JOIN cubes q ON q.table_id = p.id
  WHERE q.id = segments.cube_id), 0);
INSERT INTO partition_moments (table_id, partition, version, at_us, generation, start_offset, end_offset, max_time_us,
    events, gaps, quarantined, skipped, lost, files)
  SELECT p.table_id, p.partition, m.version, m.at_us, p.generation, p.start_offset, p.end_offset, p.max_time_us,
    p.events, p.gaps, p.quarantined, p.skipped, p.lost, p.files
  FROM partitions p CROSS JOIN moments m WHERE p.begun = 1;

-- +goose Down
ALTER TABLE segments DROP COLUMN latest_change;
ALTER TABLE ledger_changes DROP COLUMN prepended;
ALTER TABLE ledger_changes DROP COLUMN removed;
ALTER TABLE ledger_changes DROP COLUMN added;
ALTER TABLE ledger_changes DROP COLUMN version;
ALTER TABLE tables DROP COLUMN first_us;
ALTER TABLE tables DROP COLUMN first_version;
DROP TABLE partition_moments;
DROP TABLE moments;
