package cuboid_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/testkit/celltest"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// plainRow is a row of benchLayout's cells for parquet-go, with the encodings that our files have.
type plainRow struct {
	Cuboid int64    `parquet:"_cuboid,dict"`
	Minute int64    `parquet:"ts_minute,optional,dict"`
	Name   string   `parquet:"name,optional,dict"`
	URL    string   `parquet:"url,optional,dict"`
	Num    int64    `parquet:"num,optional,dict"`
	Count  int64    `parquet:"count,delta"`
	Sum    [16]byte `parquet:"sum_amount"`
}

func benchLayout(b *testing.B) *cells.Layout {
	c := &cube.Cube{Name: "c", Table: "t"}
	for _, d := range []string{"ts", "name", "url", "num"} {
		c.Dimensions = append(c.Dimensions, cube.Dimension{Column: d})
	}
	c.Dimensions[0].Grain = "minute"
	c.Measures = []cube.Measure{{Function: cube.Count}, {Function: cube.Sum, Column: "amount"}}
	return celltest.Layout(b, c.WithDefaults())
}

// benchCells makes one full row group of about 60 minutes, 50 names, 5,000 URLs and 4 numbers.
func benchCells(b *testing.B, l *cells.Layout) cells.Part {
	s := stage.NewSchema(celltest.Table(b))
	c := stage.NewChunk(s)
	rnd := rand.New(rand.NewPCG(1, 1))
	const events = 150_000
	for i := range events {
		c.Offsets, c.Timestamps = append(c.Offsets, int64(i)), append(c.Timestamps, 0)
		for k, f := range s.Fields {
			switch col := &c.Columns[k]; f.Name {
			case "ts":
				col.AppendInt(1763632800000000 + int64(rnd.IntN(3600))*1e6)
			case "name":
				col.AppendBytes(fmt.Appendf(nil, "country-%02d", rnd.IntN(50)))
			case "url":
				col.AppendBytes(fmt.Appendf(nil, "/p/%d", min(rnd.IntN(5000), rnd.IntN(5000))))
			case "num":
				col.AppendInt(int64(rnd.IntN(4)))
			case "amount":
				col.AppendInt(int64(rnd.IntN(40_000)))
			default:
				col.AppendNull()
			}
		}
	}
	block := l.NewBlock(l.Base())
	if err := block.Add(s, c, 0, events, 0); err != nil {
		b.Fatal(err)
	}
	base, err := block.Cells()
	if err != nil {
		b.Fatal(err)
	}
	if base.Len() < cuboid.GroupRows {
		b.Fatalf("%d cells, want %d", base.Len(), cuboid.GroupRows)
	}
	return cells.Part{Cells: base, To: cuboid.GroupRows}
}

func plainRows(p cells.Part) []plainRow {
	rows := make([]plainRow, p.To)
	count, sum := p.Cells.States[0].Columns(0, p.To)[0], p.Cells.States[1].Columns(0, p.To)[0]
	for i := range rows {
		value := func(dim int) (d *cells.Dict, at int) { return p.Cells.Dicts[dim], int(p.Cells.Keys.Code(i, dim)) - 1 }
		text := func(dim int) string { d, at := value(dim); return string(d.Values.Bytes(at)) }
		number := func(dim int) int64 { d, at := value(dim); return d.Values.Ints[at] }
		rows[i] = plainRow{Cuboid: int64(p.Cells.Mask), Minute: number(0), Name: text(1), URL: text(2), Num: number(3), Count: count.Int(i)}
		copy(rows[i].Sum[:], sum.Bytes(i))
	}
	return rows
}

// perRow reports the CPU time, which a busy machine changes less than the time on the clock.
func perRow(b *testing.B, bytes int, f func()) {
	began := cpuTime(b)
	for b.Loop() {
		f()
	}
	b.ReportMetric(float64(cpuTime(b)-began)/float64(b.N)/cuboid.GroupRows, "cpu-ns/row")
	b.ReportMetric(float64(bytes), "bytes")
}

// readBase opens the files and reads the first row group.
func readBase(b *testing.B, st blob.Store, l *cells.Layout, files []segmenter.SegmentFile, entries []segmenter.CuboidEntry) {
	r, err := cuboid.NewReader(st, l, files, entries)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	groups, err := r.Groups(b.Context(), l.Base())
	if err != nil {
		b.Fatal(err)
	}
	if c, err := r.Cells(b.Context(), groups[0]); err != nil || c.Len() != cuboid.GroupRows {
		b.Fatalf("read: %v", err)
	}
}

// BenchmarkBesideParquetGo writes and reads a row group of a cuboid, and the same rows with parquet-go from and to structs.
func BenchmarkBesideParquetGo(b *testing.B) {
	l := benchLayout(b)
	part := benchCells(b, l)
	rows := plainRows(part)
	enc, err := cuboid.NewEncoder(l)
	if err != nil {
		b.Fatal(err)
	}
	st, n := new(blob.Mem), 0
	write := func() *cuboid.Writer {
		n++
		w, err := cuboid.NewWriter(st, fmt.Sprint("segments/", n), l, cuboid.WriterOptions{})
		if err != nil {
			b.Fatal(err)
		}
		g, err := enc.Encode(part)
		if err != nil {
			b.Fatal(err)
		}
		if err := w.Append(b.Context(), g); err != nil {
			b.Fatal(err)
		}
		return w
	}
	files, entries, err := write().Finish(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	var theirs bytes.Buffer
	writeTheirs := func() {
		theirs.Reset()
		w := parquet.NewGenericWriter[plainRow](&theirs, parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}))
		if _, err := w.Write(rows); err != nil {
			b.Fatal(err)
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
	writeTheirs()
	b.Run("write/cuboid", func(b *testing.B) { perRow(b, int(files[0].Size), func() { write() }) })
	b.Run("write/parquet-go", func(b *testing.B) { perRow(b, theirs.Len(), writeTheirs) })
	b.Run("read/cuboid", func(b *testing.B) {
		perRow(b, int(files[0].Size), func() { readBase(b, st, l, files, entries) })
	})
	b.Run("read/parquet-go", func(b *testing.B) {
		out := make([]plainRow, len(rows))
		perRow(b, theirs.Len(), func() {
			r := parquet.NewGenericReader[plainRow](bytes.NewReader(theirs.Bytes()))
			for done := 0; done < len(out); {
				n, err := r.Read(out[done:])
				if done += n; err != nil && err != io.EOF {
					b.Fatal(err)
				}
			}
			if err := r.Close(); err != nil {
				b.Fatal(err)
			}
		})
	})
}
