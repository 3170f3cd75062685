-- Valid for SQLite and PostgreSQL alike, as 00001. What a query reads of a catalog that has changed is what has changed.

-- +goose Up

-- The revision of its cube when it last changed; 0: it has changed in this transaction, which gives it the cube's next one.
ALTER TABLE segments ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
UPDATE segments SET revision = 1;
CREATE INDEX segments_revision ON segments (cube_id, revision);
CREATE INDEX segments_changing ON segments (cube_id) WHERE revision = 0;

-- How far apart the event times of a row lie, in steps of a factor of 8 from one second on; 9: further, or unknown. Rows of one
-- step that reach into a span of time end at most that step behind it, so that they are found without those of other times.
ALTER TABLE ledger ADD COLUMN time_step INTEGER NOT NULL DEFAULT 9;
UPDATE ledger SET time_step = CASE
  WHEN min_time_us < -4000000000000000000 OR max_time_us > 4000000000000000000 THEN 9
  WHEN max_time_us - min_time_us < 1000000 THEN 0
  WHEN max_time_us - min_time_us < 8000000 THEN 1
  WHEN max_time_us - min_time_us < 64000000 THEN 2
  WHEN max_time_us - min_time_us < 512000000 THEN 3
  WHEN max_time_us - min_time_us < 4096000000 THEN 4
  WHEN max_time_us - min_time_us < 32768000000 THEN 5
  WHEN max_time_us - min_time_us < 262144000000 THEN 6
  WHEN max_time_us - min_time_us < 2097152000000 THEN 7
  WHEN max_time_us - min_time_us < 16777216000000 THEN 8
  ELSE 9 END;
CREATE INDEX ledger_times ON ledger (table_id, time_step, max_time_us) WHERE events > 0;

-- +goose Down
DROP INDEX ledger_times;
ALTER TABLE ledger DROP COLUMN time_step;
DROP INDEX segments_changing;
DROP INDEX segments_revision;
ALTER TABLE segments DROP COLUMN revision;
