package catalog

import (
	"database/sql"
	"encoding/json"
	"errors"
	"slices"

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

// fronts are the front and the settled one as the row holds them.
func (r *cubeRow) fronts() (front, settled string, err error) {
	for _, x := range []struct {
		v    segmenter.Vector
		text *string
	}{{r.front, &front}, {r.settled, &settled}} {
		text, err := json.Marshal(append(segmenter.Vector{}, x.v...))
		if err != nil {
			return "", "", err
		}
		*x.text = string(text)
	}
	return front, settled, nil
}

func (t *tx) saveFronts(cube *cubeRow) error {
	front, settled, err := cube.fronts()
	if err != nil {
		return err
	}
	_, err = t.exec(`UPDATE cubes SET start_ranges = $2, settled_ranges = $3 WHERE id = $1`, cube.id, front, settled)
	return err
}

// settle makes what a reservation has moved of the front of a locked cube stay (S17): it was published, or has ended otherwise
// than by hand. Of most it has moved nothing, and nothing is read or written.
func (t *tx) settle(cube *cubeRow, v segmenter.Vector) error {
	if slices.Equal(cube.settled, segmenter.LowerFront(cube.settled, v, nil)) {
		return nil
	}
	parts, err := t.partsOf(cube)
	if err != nil {
		return err
	}
	cube.settled = notBefore(segmenter.LowerFront(cube.settled, v, generationsOf(parts)), cube.front)
	return t.saveFronts(cube)
}

// takeBack moves the front of a locked cube back to where it is without the reservation that was just cancelled by hand: to
// the settled one, or to the first place before it that is still reserved (S17).
func (t *tx) takeBack(cube *cubeRow) error {
	if slices.Equal(cube.front, cube.settled) {
		return nil
	}
	front := cube.settled
	if len(front) > 0 { // else that reservation had made it, and was the only one
		reserved, err := t.liveSegments(SegmentQuery{CubeID: cube.id, States: []segmenter.SegmentState{segmenter.SegmentNew}})
		if err != nil {
			return err
		}
		parts, err := t.partsOf(cube)
		if err != nil {
			return err
		}
		for _, s := range reserved {
			front = segmenter.LowerFront(front, s.Range, generationsOf(parts))
		}
	}
	cube.front = notBefore(front, cube.front)
	return t.saveFronts(cube)
}

// notBefore returns v, nowhere before front: what was given up meanwhile stays so where a reservation holds nothing of it.
func notBefore(v, front segmenter.Vector) segmenter.Vector {
	out := slices.Clone(v)
	for i, at := range v {
		for _, f := range front {
			if f.Partition == at.Partition && (at.Generation < f.Generation || (at.Generation == f.Generation && at.Start < f.Start)) {
				out[i] = f
			}
		}
	}
	return out
}

// raiseFront moves the front of a locked cube, and the settled one, past segments that were just given up (S17).
func (t *tx) raiseFront(cube *cubeRow, retired []segmenter.Vector, expired bool) error {
	for _, front := range []*segmenter.Vector{&cube.front, &cube.settled} {
		if expired {
			live, err := t.firstLive(cube.id, *front)
			if err != nil {
				return err
			}
			*front = segmenter.PassFront(*front, retired, live)
			continue
		}
		parts, err := t.partsOf(cube)
		if err != nil {
			return err
		}
		*front = segmenter.RaiseFront(*front, retired, generationsOf(parts))
	}
	return t.saveFronts(cube)
}

// firstLive returns the first range that a live segment holds at a front or behind it, of each of its partitions: one step
// into an index each.
func (t *tx) firstLive(cubeID string, front segmenter.Vector) (v segmenter.Vector, err error) {
	for _, at := range front {
		var first *segmenter.PartitionRange
		for _, kind := range []string{kindReady, kindNew} {
			r := segmenter.PartitionRange{Partition: at.Partition}
			err := t.row(`SELECT generation, start_offset, end_offset FROM segment_ranges
				WHERE cube_id = $1 AND kind = $2 AND partition = $3 AND (generation > $4 OR (generation = $4 AND start_offset >= $5))
				ORDER BY generation, end_offset LIMIT 1`,
				cubeID, kind, at.Partition, at.Generation, at.Start).Scan(&r.Generation, &r.Start, &r.End)
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
