-- Valid for SQLite and PostgreSQL alike, as 00001.

-- +goose Up

-- The partition's generation when it was asked: a later one has answered.
ALTER TABLE roll_requests ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
UPDATE roll_requests SET generation = COALESCE((SELECT p.generation FROM partitions p
  WHERE p.table_id = roll_requests.table_id AND p.partition = roll_requests.partition), 0);

-- The job that waits for it; 0: none.
ALTER TABLE roll_requests ADD COLUMN job_id BIGINT NOT NULL DEFAULT 0;
CREATE INDEX roll_requests_job ON roll_requests (job_id) WHERE job_id > 0;

-- It failed only because its offsets were not staged in time.
ALTER TABLE jobs ADD COLUMN unstaged INTEGER NOT NULL DEFAULT 0;

-- Published without an engine: it has no cuboids. Until now there was none.
ALTER TABLE segments ADD COLUMN bare INTEGER NOT NULL DEFAULT 0;
UPDATE segments SET bare = 1 WHERE state <> 'new';

-- +goose Down
ALTER TABLE segments DROP COLUMN bare;
ALTER TABLE jobs DROP COLUMN unstaged;
DROP INDEX roll_requests_job;
ALTER TABLE roll_requests DROP COLUMN job_id;
ALTER TABLE roll_requests DROP COLUMN generation;
