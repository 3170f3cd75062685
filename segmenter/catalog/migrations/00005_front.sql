-- Valid for SQLite and PostgreSQL alike, as 00001. cubes.start_ranges holds the front of a cube from its first reservation on:
-- where each partition begins, whatever becomes of the first segments. Until now the first ready segment said so: what it says
-- is taken over.

-- +goose Up
UPDATE cubes SET start_ranges = (
  SELECT '[' || string_agg('{"partition":' || f.partition || ',"generation":' || f.generation || ',"start":' || f.start_offset
    || ',"end":' || f.start_offset || '}', ',' ORDER BY f.partition) || ']'
  FROM (
    SELECT r.cube_id, r.partition, r.generation, MIN(r.start_offset) AS start_offset
    FROM segment_ranges r JOIN segments s ON s.cube_id = r.cube_id AND s.number = r.number AND s.state = 'ready'
    GROUP BY r.cube_id, r.partition, r.generation
  ) AS f
  WHERE f.cube_id = cubes.id AND f.generation = (
    SELECT MIN(x.generation) FROM segment_ranges x JOIN segments s ON s.cube_id = x.cube_id AND s.number = x.number AND s.state = 'ready'
    WHERE x.cube_id = cubes.id AND x.partition = f.partition)
)
WHERE EXISTS (SELECT 1 FROM segment_ranges r JOIN segments s ON s.cube_id = r.cube_id AND s.number = r.number
  WHERE r.cube_id = cubes.id AND s.state = 'ready');

-- +goose Down
UPDATE cubes SET start_ranges = start_ranges;
