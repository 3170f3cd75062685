-- Valid for SQLite and PostgreSQL alike, as 00001. What was given up for good is noted in the store too, so that a catalog that is
-- made again from its files does not bring it back.

-- +goose Up
-- Of a retired one: 0: another took its place; 1: it was given up, and its marker is still to be written; 2: its marker is written.
ALTER TABLE segments ADD COLUMN given_up INTEGER NOT NULL DEFAULT 0;
CREATE INDEX segments_unmarked ON segments (cube_id, number) WHERE given_up = 1;

-- Of a dropped one: 1: its marker is written.
ALTER TABLE cubes ADD COLUMN marked INTEGER NOT NULL DEFAULT 0;
CREATE INDEX cubes_unmarked ON cubes (id) WHERE dropped_us > 0 AND marked = 0;
ALTER TABLE tables ADD COLUMN marked INTEGER NOT NULL DEFAULT 0;
CREATE INDEX tables_unmarked ON tables (id) WHERE dropped_us > 0 AND marked = 0;

UPDATE segments SET given_up = 1 WHERE state = 'retired' AND removed_us = 0 AND retire_reason NOT LIKE 'replaced by segment %'
  AND EXISTS (SELECT 1 FROM cubes c WHERE c.id = segments.cube_id AND c.dropped_us = 0);

-- +goose Down
DROP INDEX tables_unmarked;
DROP INDEX cubes_unmarked;
DROP INDEX segments_unmarked;
ALTER TABLE tables DROP COLUMN marked;
ALTER TABLE cubes DROP COLUMN marked;
ALTER TABLE segments DROP COLUMN given_up;
