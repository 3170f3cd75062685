package verify_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/dictionary"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/verify"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// itemsYAML has the measures whose states collect values.
const itemsYAML = `
cube: views
table: events
dimensions: [ok, n]
measures:
  - count
  - {name: ids, function: count_distinct_exact, column: id}
  - {name: numbers, function: count_distinct_exact, column: n}
  - {name: top, function: top_n, by: [id], n: 3}
  - {name: priced, function: top_n, by: [id], column: price, n: 3}
  - {name: rated, function: top_n, by: [id], column: ratio, n: 3}
start: earliest
`

// itemSite is a site with the cube of itemsYAML, and 20 events of 5 ids with n below 6.
func itemSite(t *testing.T) (s *site, cubeID string) {
	t.Helper()
	s = newSite(t, 1, "parquet")
	for i := range 20 {
		r := s.record(0)
		r.Value = []byte(strings.NewReplacer(
			`"n":`, `"n":`+"0123450123"[i%10:i%10+1]+`,"was":`, `"id":"e`, `"id":"`+"abcda"[i%5:i%5+1]+`","of":"e`,
		).Replace(string(r.Value)))
		s.send(r)
	}
	s.ingest()
	return s, s.applyYAML(itemsYAML)
}

// bytesOf changes the states of a measure, which are bytes, as a list.
func bytesOf(change func(list [][]byte)) func([]stage.Column) {
	return func(cols []stage.Column) {
		var list [][]byte
		for i := range cols[0].Len() {
			list = append(list, bytes.Clone(cols[0].Bytes(i)))
		}
		change(list)
		cols[0] = stage.Column{Kind: stage.Bytes}
		for _, b := range list {
			cols[0].AppendBytes(b)
		}
	}
}

// change is what a wrong build does to its cuboids.
type change func(*cells.Layout, map[uint64]*cells.Cells)

// editsOf returns changes of a measure in all cuboids, and in cuboid 1 only.
func editsOf(t *testing.T) (all, one func(measure string, edit func([]stage.Column)) change) {
	all = func(measure string, edit func([]stage.Column)) change {
		return func(l *cells.Layout, of map[uint64]*cells.Cells) {
			c := edited(t, l, of[l.Base()], measure, edit)
			for mask := range of {
				var err error
				of[mask], err = l.Combine(mask, cells.Part{Cells: c, To: c.Len()})
				must(t, err)
			}
		}
	}
	one = func(measure string, edit func([]stage.Column)) change {
		return func(l *cells.Layout, of map[uint64]*cells.Cells) { of[1] = edited(t, l, of[1], measure, edit) }
	}
	return all, one
}

// Each row is a build that counted distinct values, or ranked them, in a way that no count and no hash tells.
func TestItemsOfCuboids(t *testing.T) {
	base, cubeID := itemSite(t)
	swap := bytesOf(func(list [][]byte) {
		for i := range list {
			if !bytes.Equal(list[i], list[0]) {
				list[0], list[i] = list[i], list[0]
				return
			}
		}
		t.Fatal("all states are equal")
	})
	empty := bytesOf(func(list [][]byte) {
		for i := range list {
			list[i] = list[0]
		}
	})
	all, one := editsOf(t)
	const allAdd, allRows = "the base cuboid does not add up to the staged events: ", "the base cuboid has not the cells of the staged events: "
	const oneAdd, oneRows = "cuboid 1 does not add up to the base cuboid: ", "cuboid 1 has not the cells of the base cuboid: "
	for _, tt := range []struct {
		name, says string
		change     change
	}{
		{"nothing", "", func(*cells.Layout, map[uint64]*cells.Cells) {}},
		{"strings of all in other rows", allRows + "ids ", all("ids", swap)},
		{"strings of all are others", allAdd + "ids is bytes", all("ids", empty)},
		{"numbers of all in other rows", allRows + "numbers ", all("numbers", swap)},
		{"ranks of all in other rows", allRows + "top ", all("top", swap)},
		{"ranks of all are others", allAdd + "top: ", all("top", empty)},
		{"sums of all in other rows", allRows + "priced ", all("priced", swap)},
		{"sums of all are others", allAdd + "priced: ", all("priced", empty)},
		{"rounded sums of all are others", allAdd + "rated: ", all("rated", empty)},
		{"strings of one in other rows", oneRows + "ids ", one("ids", swap)},
		{"strings of one are others", oneAdd + "ids is bytes", one("ids", empty)},
		{"ranks of one in other rows", oneRows + "top ", one("top", swap)},
		{"ranks of one are others", oneAdd + "top: ", one("top", empty)},
		{"sums of one in other rows", oneRows + "priced ", one("priced", swap)},
		{"sums of one are others", oneAdd + "priced: ", one("priced", empty)},
		{"rounded sums of one are others", oneAdd + "rated: ", one("rated", empty)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := base.clone(t)
			var file string
			s.segment(cubeID, build{v: segmenter.Vector{line(0, 0, 20)}, cuboids: true, after: func(m *segmenter.Manifest, st blob.Store) {
				s.writeAnew(m, st, tt.change)
				file = m.Files[0].Key
			}})
			r := s.verify()
			if r.Cubes[0].Recounted != 1 {
				t.Errorf("%d segments were counted again, want 1: %v", r.Cubes[0].Recounted, r.Uncounted)
			}
			if tt.says == "" {
				s.clean(r)
				return
			}
			s.names(t, verify.CuboidCells, 1, file)
			if p := s.verify().Problems[0]; !strings.HasPrefix(p.Message, tt.says) {
				t.Errorf("got %q, want that it says %q", p.Message, tt.says)
			}
		})
	}
}

// Of more ids than a top_n keeps, what it has dropped is no problem, and what no error explains is one.
func TestFullTops(t *testing.T) {
	base := newSite(t, 1, "parquet")
	const events = 2500
	for range events {
		base.send(base.record(0))
	}
	base.ingest()
	cubeID := base.applyYAML(itemsYAML)
	all, one := editsOf(t)
	// The last cell has an id whose sum is among the greatest.
	last := bytesOf(func(list [][]byte) { list[len(list)-1] = list[0] })
	// Half of the cells have the id of the first, which then has a large sum.
	half := bytesOf(func(list [][]byte) {
		for i := range len(list) / 2 {
			list[i] = list[0]
		}
	})
	for _, tt := range []struct {
		name, says string
		change     change
	}{
		{"nothing", "", func(*cells.Layout, map[uint64]*cells.Cells) {}},
		{"sums of all", "the base cuboid does not add up to the staged events: priced: ", all("priced", last)},
		{"sums of one", "cuboid 1 does not add up to the base cuboid: priced: ", one("priced", last)},
		{"rounded sums of all", "the base cuboid does not add up to the staged events: rated: ", all("rated", half)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := base.clone(t)
			s.segment(cubeID, build{v: segmenter.Vector{line(0, 0, events)}, cuboids: true, after: func(m *segmenter.Manifest, st blob.Store) {
				s.writeAnew(m, st, tt.change)
			}})
			r := s.verify()
			if r.Cubes[0].Recounted != 1 {
				t.Errorf("%d segments were counted again, want 1: %v", r.Cubes[0].Recounted, r.Uncounted)
			}
			if tt.says == "" {
				s.clean(r)
				return
			}
			if p := s.finds(r, verify.CuboidCells); !strings.HasPrefix(p.Message, tt.says) || len(r.Problems) != 1 {
				t.Errorf("got %v, want one problem that says %q", r.Problems, tt.says)
			}
		})
	}
}

// The ids of a segment's strings are those of the slices that its manifest names, however many came later, and of the segments
// that were merged. Where one is damaged, or too old, verify says so and counts all else.
func TestStringIDs(t *testing.T) {
	base, cubeID := itemSite(t)
	halves := []segmenter.Vector{{line(0, 0, 3)}, {line(0, 3, 20)}}
	whole := base.clone(t)
	for _, v := range halves {
		whole.segment(cubeID, build{v: v, cuboids: true})
	}
	whole.words("later")
	merged := whole.clone(t)
	merged.segment(cubeID, build{v: segmenter.Vector{line(0, 0, 20)}, replaces: []int64{1, 2}, merge: true, cuboids: true})
	for want, s := range map[int64]*site{2: whole, 1: merged} {
		r := s.verify()
		s.clean(r)
		if r.Cubes[0].Recounted != want || r.Tables[0].DictionarySlices != 3 {
			t.Errorf("%d segments counted again, %d slices; want %d and 3", r.Cubes[0].Recounted, r.Tables[0].DictionarySlices, want)
		}
	}
	t.Run("damaged", func(t *testing.T) {
		s := whole.clone(t)
		key := s.keys(dictionary.Prefix, "0000000001.")[0]
		must(t, os.Truncate(s.path(key), 20))
		r := s.verify()
		if p := s.finds(r, verify.FileChanged); len(r.Problems) != 1 || p.File != key || r.Cubes[0].Recounted != 2 {
			t.Errorf("got %v, %d segments counted again; want one problem with %s, and 2", r.Problems, r.Cubes[0].Recounted, key)
		}
	})
	t.Run("too old", func(t *testing.T) {
		s := base.clone(t)
		s.segment(cubeID, build{v: halves[0], cuboids: true})
		folder := s.segment(cubeID, build{v: halves[1], cuboids: true, after: func(m *segmenter.Manifest, _ blob.Store) {
			at := slices.IndexFunc(m.Inputs, func(in segmenter.Input) bool { return in.Kind == segmenter.InputDictionary })
			m.Inputs = slices.Delete(m.Inputs, at, at+1)
			m.SegmentID = m.ContentID()
		}})
		p := s.finds(s.verify(), verify.SegmentInputs)
		if p.Segment != 2 || !strings.Contains(p.Message, `the value "a" in column id`) {
			t.Errorf("got %+v of %s, want that segment 2 names no slice that has its values", p, folder)
		}
	})
}

// Sums of float64 are held against those of the events up to rounding, and those of other cuboids against the base, of merged
// segments too.
func TestFloatSums(t *testing.T) {
	base := newSite(t, 1, "parquet")
	for range 20 {
		base.send(base.record(0))
	}
	base.ingest()
	cubeID := base.applyYAML(`
cube: views
table: events
dimensions: [ok, n]
measures: [count, {name: total, function: sum, column: ratio}, {name: mean, function: avg, column: ratio}]
start: earliest
`)
	all, one := editsOf(t)
	more := func(cols []stage.Column) { cols[0].Floats[0] += 1e-6 }
	const allAdd, oneAdd = "the base cuboid does not add up to the staged events: ", "cuboid 1 does not add up to the base cuboid: "
	for _, tt := range []struct {
		name, says string
		change     change
	}{
		{"nothing", "", func(*cells.Layout, map[uint64]*cells.Cells) {}},
		{"a sum of all", allAdd + "total is ", all("total", more)},
		{"a mean of all", allAdd + "mean__sum is ", all("mean", more)},
		{"a sum of one", oneAdd + "total is ", one("total", more)},
	} {
		for _, merged := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, merged %t", tt.name, merged), func(t *testing.T) {
				s := base.clone(t)
				b := build{v: segmenter.Vector{line(0, 0, 20)}, cuboids: true, after: func(m *segmenter.Manifest, st blob.Store) {
					s.writeAnew(m, st, tt.change)
				}}
				if merged {
					s.segment(cubeID, build{v: segmenter.Vector{line(0, 0, 7)}, cuboids: true})
					s.segment(cubeID, build{v: segmenter.Vector{line(0, 7, 20)}, cuboids: true})
					b.merge, b.replaces = true, []int64{1, 2}
				}
				s.segment(cubeID, b)
				r := s.verify()
				if tt.says == "" {
					s.clean(r)
					return
				}
				if p := s.finds(r, verify.CuboidCells); !strings.HasPrefix(p.Message, tt.says) || len(r.Problems) != 1 {
					t.Errorf("got %v, want one problem that says %q", r.Problems, tt.says)
				}
			})
		}
	}
}

// atOpen is a store in which something happens before the first object with a prefix is opened.
type atOpen struct {
	blob.Store
	prefix string
	do     func()
	once   sync.Once
}

func (s *atOpen) Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	if strings.HasPrefix(key, s.prefix) {
		s.once.Do(s.do)
	}
	return s.Store.Open(ctx, key, off, n)
}

// A slice that is damaged or gone between the proof of the dictionaries and a look-up in it is a problem of the segment: the
// proof goes on, and takes it for no file of the segment's own.
func TestSliceDamagedMeanwhile(t *testing.T) {
	base, cubeID := itemSite(t)
	base.segment(cubeID, build{v: segmenter.Vector{line(0, 0, 20)}, cuboids: true})
	for name, damage := range map[string]func(path string) error{
		"gone": os.Remove,
		"cut":  func(path string) error { return os.Truncate(path, 20) },
		"changed": func(path string) error {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			data[len(data)/2] ^= 1
			return os.WriteFile(path, data, 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := base.clone(t)
			key := s.keys(dictionary.Prefix, "0000000001.")[0]
			r := s.verify(func(o *verify.Options) {
				o.Store = &atOpen{Store: o.Store, prefix: "segments/", do: func() { must(t, damage(s.path(key))) }}
			})
			p := s.finds(r, verify.SegmentInputs)
			if p.Segment != 1 || !strings.Contains(p.Message, "column id ") || len(r.Problems) != 1 || r.Tables[0].DictionarySlices != 1 {
				t.Errorf("got %v, %d whole slices; want one problem of segment 1 that names column id, and 1", r.Problems, r.Tables[0].DictionarySlices)
			}
		})
	}
}
