package cuboid_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/pages"
	"github.com/tidemarkdb/tidemark/internal/testkit/celltest"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// A group that went through a temporary file gives the same files; a changed byte of it is found.
func TestGroupBinary(t *testing.T) {
	l := testLayout(t)
	base := celltest.Cells(t, l, 7, 50)
	e, err := cuboid.NewEncoder(l)
	if err != nil {
		t.Fatal(err)
	}
	files := map[bool][]segmenter.SegmentFile{}
	for _, stored := range []bool{false, true} {
		w, err := cuboid.NewWriter(new(blob.Mem), testFolder, l, cuboid.WriterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []*cells.Cells{base, celltest.RollUp(t, l, base, 3), celltest.None(t, l, 1)} {
			g, err := e.Encode(celltest.Whole(c))
			if err != nil {
				t.Fatal(err)
			}
			if stored {
				text, err := g.AppendBinary([]byte("before"))
				if err != nil {
					t.Fatal(err)
				}
				text = text[len("before"):]
				for _, at := range []int{0, 8, 17, len(text) / 2, len(text) - 1} {
					bad := bytes.Clone(text)
					bad[at] ^= 0x10
					if _, err := cuboid.DecodeGroup(bad); err == nil {
						t.Errorf("byte %d changed: decoded, want an error", at)
					}
				}
				if g, err = cuboid.DecodeGroup(text); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Append(t.Context(), g); err != nil {
				t.Fatal(err)
			}
		}
		var entries []segmenter.CuboidEntry
		if files[stored], entries, err = w.Finish(t.Context()); err != nil || len(entries) != 3 {
			t.Fatalf("%d cuboids, want 3: %v", len(entries), err)
		}
	}
	if d := cmp.Diff(files[false], files[true]); d != "" {
		t.Errorf("files of decoded groups differ (-encoded +decoded):\n%s", d)
	}
}

// cutsOf feeds rows in batches of n and returns the rows of each group.
func cutsOf(c *cells.Cells, n int) (rows []int) {
	var cut cuboid.Cutter
	count := func(parts []cells.Part) {
		sum := 0
		for _, p := range parts {
			sum += p.To - p.From
		}
		rows = append(rows, sum)
	}
	for from := 0; from < c.Len(); from += n {
		for _, g := range cut.Add(cells.Part{Cells: c, From: from, To: min(from+n, c.Len())}) {
			count(g)
		}
	}
	if rest := cut.Rest(); rest != nil {
		count(rest)
	}
	return rows
}

// U2: where row groups end depends on the rows alone: on their number, and on the bytes of long strings.
func TestCutter(t *testing.T) {
	l, err := cells.NewLayout((&cube.Cube{Name: "c", Table: "t", Dimensions: []cube.Dimension{{Column: "num"}, {Column: "name"}}}).WithDefaults(), celltest.Table(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name  string
		rows  int
		size  int
		wants []int
	}{
		{"rows", 2*cuboid.GroupRows + 5, 0, []int{cuboid.GroupRows, cuboid.GroupRows, 5}},
		{"exactly", cuboid.GroupRows, 3, []int{cuboid.GroupRows}},
		{"bytes", 300, cuboid.GroupBytes / 128, []int{128, 128, 44}},
		{"none", 0, 0, nil},
	} {
		t.Run(x.name, func(t *testing.T) {
			num, name := &cells.Dict{Values: pages.Column{Kind: pages.Int64}}, &cells.Dict{Values: pages.Column{Kind: pages.Bytes}}
			name.Values.AppendBytes(make([]byte, x.size))
			codes := [][]uint32{nil, nil}
			for i := range x.rows {
				num.Values.AppendInt(int64(i))
				codes[0], codes[1] = append(codes[0], uint32(i+1)), append(codes[1], 1)
			}
			counts, err := l.Measures[0].FromColumns([]pages.Column{{Kind: pages.Int64, Ints: make([]int64, x.rows)}})
			if err != nil {
				t.Fatal(err)
			}
			c, err := cells.NewCells(l.Base(), []*cells.Dict{num, name}, codes, []cells.States{counts})
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range []int{1 << 20, 70000, 64, 37} {
				if n < 1000 && x.rows > 1000 {
					continue
				}
				if got := cutsOf(c, n); !cmp.Equal(got, x.wants) {
					t.Errorf("batches of %d: groups of %v rows, want %v", n, got, x.wants)
				}
			}
		})
	}
}
