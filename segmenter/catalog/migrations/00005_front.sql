-- Valid for SQLite and PostgreSQL alike, as 00001. cubes.start_ranges holds the front of a cube from its first reservation on:
-- where each partition begins, whatever becomes of the first segments. Until now the first ready segment said so: what it says
-- is taken over, by one pass over all ranges.

-- +goose Up
UPDATE cubes SET start_ranges = x.front
FROM (
  SELECT f.cube_id, '[' || string_agg('{"partition":' || f.partition || ',"generation":' || f.generation || ',"start":' || f.start_offset
    || ',"end":' || f.start_offset || '}', ',' ORDER BY f.partition) || ']' AS front
  FROM (
    SELECT r.cube_id, r.partition, r.generation, r.start_offset,
      ROW_NUMBER() OVER (PARTITION BY r.cube_id, r.partition ORDER BY r.generation, r.start_offset) AS nth
    FROM segment_ranges r JOIN segments s ON s.cube_id = r.cube_id AND s.number = r.number
    WHERE s.state = 'ready'
  ) AS f
  WHERE f.nth = 1
  GROUP BY f.cube_id
) AS x
WHERE x.cube_id = cubes.id;

-- +goose Down
UPDATE cubes SET start_ranges = start_ranges;
