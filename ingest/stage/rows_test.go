package stage

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"pgregory.net/rapid"
)

// drawSchema draws the schema of a valid table, system columns included.
func drawSchema(t *rapid.T) *Schema {
	tab := &cube.Table{ID: "t1", Version: 3, EventTime: cube.EventTime{Column: "ts"}}
	tab.Columns = append(tab.Columns, cube.Column{Name: "ts", Type: cube.Type{Kind: cube.Timestamp}})
	kinds := []cube.Kind{cube.Bool, cube.Int64, cube.Float64, cube.Decimal, cube.String, cube.Date, cube.Timestamp, cube.JSON}
	for i := range rapid.IntRange(0, 6).Draw(t, "columns") {
		typ := cube.Type{Kind: rapid.SampledFrom(kinds).Draw(t, "kind")}
		if typ.Kind == cube.Decimal {
			typ.Precision = rapid.IntRange(1, 38).Draw(t, "precision")
			typ.Scale = rapid.IntRange(0, typ.Precision).Draw(t, "scale")
		}
		tab.Columns = append(tab.Columns, cube.Column{Name: fmt.Sprintf("c%d \"é\"", i), Type: typ})
	}
	tab.Include = cube.Include{
		Extra: rapid.Bool().Draw(t, "extra"), Raw: rapid.Bool().Draw(t, "raw"),
		Key: rapid.Bool().Draw(t, "key"), Headers: rapid.Bool().Draw(t, "headers"),
	}
	return NewSchema(tab)
}

// drawChunk draws n rows from offset next on and returns the offset behind them.
func drawChunk(t *rapid.T, s *Schema, n int, next int64) (*Chunk, int64) {
	c := NewChunk(s)
	for range n {
		next += rapid.Int64Range(0, 3).Draw(t, "skip")
		c.Offsets = append(c.Offsets, next)
		next++
		c.Timestamps = append(c.Timestamps, rapid.SampledFrom([]int64{-1, 0, 1760000000123, math.MaxInt64, math.MinInt64}).Draw(t, "timestamp"))
		for i := range s.Fields {
			if i != s.EventTime && rapid.IntRange(0, 3).Draw(t, "null") == 0 {
				c.Columns[i].AppendNull()
				continue
			}
			drawValue(t, &s.Fields[i], &c.Columns[i])
		}
		v := c.Columns[s.EventTime].Int(c.Rows() - 1)
		if c.Rows() == 1 {
			c.MinTimeUs, c.MaxTimeUs = v, v
		}
		c.MinTimeUs, c.MaxTimeUs = min(c.MinTimeUs, v), max(c.MaxTimeUs, v)
	}
	return c, next
}

func drawValue(t *rapid.T, f *Field, col *Column) {
	switch f.Type.Kind {
	case cube.Bool:
		col.AppendInt(rapid.Int64Range(0, 1).Draw(t, "bool"))
	case cube.Float64:
		special := []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 0, math.MaxFloat64, math.SmallestNonzeroFloat64}
		col.AppendFloat(rapid.OneOf(rapid.Float64(), rapid.SampledFrom(special)).Draw(t, "float"))
	case cube.Date:
		col.AppendInt(rapid.OneOf(rapid.Int64Range(-800000, 3000000), rapid.SampledFrom([]int64{math.MinInt32, math.MaxInt32})).Draw(t, "date"))
	case cube.Decimal:
		drawDecimal(t, f, col)
	case cube.String, cube.JSON:
		col.AppendBytes([]byte(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "a", "b", "\"\\\n\r\t\x00\x7f\u2028"})).Draw(t, "string")))
	case "":
		col.AppendBytes(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
	default:
		col.AppendInt(rapid.OneOf(rapid.Int64(), rapid.Int64Range(1.7e15, 1.8e15)).Draw(t, "int"))
	}
}

func drawDecimal(t *rapid.T, f *Field, col *Column) {
	digits := rapid.StringOfN(rapid.RuneFrom([]rune("0123456789")), f.Type.Precision, f.Type.Precision, -1).Draw(t, "digits")
	if rapid.Bool().Draw(t, "nines") {
		digits = string(bytes.Repeat([]byte{'9'}, f.Type.Precision))
	}
	hi, lo, ok := parseDecimal([]byte(digits), 0)
	if rapid.Bool().Draw(t, "negative") && (hi != 0 || lo != 0) {
		hi, lo, ok = parseDecimal([]byte("-"+digits), 0)
	}
	if !ok {
		t.Fatalf("parseDecimal(%s) refused it", digits)
	}
	p := &lineParser{b: append(append([]byte{'"'}, appendDecimal(nil, hi, lo, f.Type.Scale)...), '"')}
	if err := p.decimal(f, col); err != nil {
		t.Fatal(err)
	}
}

func drawChunks(t *rapid.T, s *Schema) ([]*Chunk, Footer) {
	var chunks []*Chunk
	start := rapid.Int64Range(0, 1<<40).Draw(t, "start")
	next, rows := start, 0
	for range rapid.IntRange(0, 4).Draw(t, "chunks") {
		var c *Chunk
		c, next = drawChunk(t, s, rapid.IntRange(0, 20).Draw(t, "rows"), next)
		rows += c.Rows()
		chunks = append(chunks, c)
	}
	return chunks, Footer{
		Project: "default", Table: "t", TableID: "t1", Topic: "topic", Schema: s.Version, Epoch: 7, Events: int64(rows),
		Range: segmenter.PartitionRange{Partition: 2, Generation: 1, Start: start, End: next + 5},
	}
}

// join copies chunks into one.
func join(s *Schema, chunks []*Chunk) *Chunk {
	all := NewChunk(s)
	for _, c := range chunks {
		all.AppendChunk(c, 0, c.Rows())
	}
	return all
}

// readAll reads every group of a file into one chunk.
func readAll(t testing.TB, st blob.Store, key string) (*Reader, *Chunk) {
	t.Helper()
	r, err := Open(t.Context(), st, key, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	all := NewChunk(r.Schema())
	for g := range r.Groups() {
		c, err := r.Read(t.Context(), g, nil)
		if err != nil {
			t.Fatal(err)
		}
		all.AppendChunk(c, 0, c.Rows())
	}
	return r, all
}

// sameRows compares chunks by value: nil and empty are equal, and so are null masks of different length.
func sameRows(a, b *Chunk) string {
	trimmed := func(c *Chunk) Chunk {
		out := *c
		out.Columns = append([]Column(nil), c.Columns...)
		for i := range out.Columns {
			n := &out.Columns[i].Nulls
			for len(*n) > 0 && (*n)[len(*n)-1] == 0 {
				*n = (*n)[:len(*n)-1]
			}
		}
		return out
	}
	return cmp.Diff(trimmed(a), trimmed(b), cmpopts.EquateEmpty(), cmpopts.EquateNaNs())
}

// putBytes creates an object.
func putBytes(t testing.TB, st blob.Store, key string, data []byte) {
	t.Helper()
	if err := st.Create(t.Context(), key, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
}
