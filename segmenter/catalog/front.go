package catalog

import (
	"database/sql"
	"encoding/json"
	"errors"

	"github.com/tidemarkdb/tidemark/segmenter"
)

func generationsOf(parts []PartitionInfo) (list segmenter.Generations) {
	for _, p := range parts {
		for _, g := range p.Generations {
			list = append(list, segmenter.Generation{Partition: g.Partition, Generation: g.Generation, Start: g.Start, End: g.End, Closed: g.Closed})
		}
	}
	return list
}

// partsOf reads the partitions of a locked cube's table, once a transaction.
func (t *tx) partsOf(cube *cubeRow) (list []PartitionInfo, err error) {
	if cube.parts == nil {
		cube.parts, err = t.partitions(cube.tableID)
	}
	return cube.parts, err
}

// raiseFront moves the front of a locked cube past segments that were just given up (S17).
func (t *tx) raiseFront(cube *cubeRow, retired []segmenter.Vector, expired bool) error {
	var front segmenter.Vector
	if expired {
		live, err := t.firstLive(cube)
		if err != nil {
			return err
		}
		front = segmenter.PassFront(cube.front, retired, live)
	} else {
		parts, err := t.partsOf(cube)
		if err != nil {
			return err
		}
		front = segmenter.RaiseFront(cube.front, retired, generationsOf(parts))
	}
	text, err := json.Marshal(front)
	if err != nil {
		return err
	}
	cube.front = front
	_, err = t.exec(`UPDATE cubes SET start_ranges = $2 WHERE id = $1`, cube.id, string(text))
	return err
}

// firstLive returns the first range that a live segment holds, of each partition of the front: one step into an index each.
func (t *tx) firstLive(cube *cubeRow) (v segmenter.Vector, err error) {
	for _, at := range cube.front {
		var first *segmenter.PartitionRange
		for _, kind := range []string{kindReady, kindNew} {
			r := segmenter.PartitionRange{Partition: at.Partition}
			err := t.row(`SELECT generation, start_offset, end_offset FROM segment_ranges
				WHERE cube_id = $1 AND kind = $2 AND partition = $3 ORDER BY generation, end_offset LIMIT 1`,
				cube.id, kind, at.Partition).Scan(&r.Generation, &r.Start, &r.End)
			switch {
			case errors.Is(err, sql.ErrNoRows):
			case err != nil:
				return nil, err
			case first == nil || r.Generation < first.Generation || (r.Generation == first.Generation && r.Start < first.Start):
				first = &r
			}
		}
		if first != nil {
			v = append(v, *first)
		}
	}
	return v, nil
}
