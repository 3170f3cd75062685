-- Valid for SQLite and PostgreSQL alike, as 00001. start_ranges holds the front of a cube; settled_ranges holds it without what only
-- open reservations have moved, so that cancelling one by hand takes that back. Of those that are open now it is not known.

-- +goose Up
ALTER TABLE cubes ADD COLUMN settled_ranges TEXT NOT NULL DEFAULT '[]';
UPDATE cubes SET settled_ranges = start_ranges;

-- +goose Down
ALTER TABLE cubes DROP COLUMN settled_ranges;
