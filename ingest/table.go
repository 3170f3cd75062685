package ingest

import (
	"sync"

	"github.com/tidemarkdb/tidemark/ingest/decode"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// table is one version of a definition, compiled.
type table struct {
	def    *cube.Table
	schema *stage.Schema

	mu       sync.Mutex // guards all below
	decoders []*decode.Decoder
	first    *decode.Decoder
	perRow   []float64 // bytes a row of each column, as last seen: room for a new chunk
}

func compile(def *cube.Table) (*table, error) {
	schema := stage.NewSchema(def)
	d, err := decode.New(def, schema)
	if err != nil {
		return nil, err
	}
	return &table{def: def, schema: schema, first: d}, nil
}

// decoder lends a decoder: one serves one goroutine at a time.
func (t *table) decoder() *decode.Decoder {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.decoders); n > 0 {
		d := t.decoders[n-1]
		t.decoders = t.decoders[:n-1]
		return d
	}
	return t.first.Clone()
}

func (t *table) giveBack(d *decode.Decoder) {
	t.mu.Lock()
	t.decoders = append(t.decoders, d)
	t.mu.Unlock()
}

// chunk makes an empty chunk with room for rows like those seen last, so that it need not grow while it is filled.
func (t *table) chunk(rows int) *stage.Chunk {
	c := stage.NewChunk(t.schema)
	c.Offsets, c.Timestamps = make([]int64, 0, rows), make([]int64, 0, rows)
	t.mu.Lock()
	perRow := t.perRow
	t.mu.Unlock()
	for i := range c.Columns {
		col := &c.Columns[i]
		switch col.Kind {
		case stage.Bool, stage.Int64:
			col.Ints = make([]int64, 0, rows)
		case stage.Float64:
			col.Floats = make([]float64, 0, rows)
		case stage.Bytes:
			col.Ends = make([]uint32, 0, rows)
		}
		if len(perRow) > 0 && perRow[i] > 0 {
			col.Data = make([]byte, 0, int(perRow[i]*float64(rows)*1.05)+64)
		}
	}
	return c
}

// seen notes how large a full chunk's rows are. The slice is replaced, not changed: others read it.
func (t *table) seen(c *stage.Chunk) {
	perRow := make([]float64, len(c.Columns))
	for i := range c.Columns {
		perRow[i] = float64(len(c.Columns[i].Data)) / float64(c.Rows())
	}
	t.mu.Lock()
	t.perRow = perRow
	t.mu.Unlock()
}

// same reports whether both are the same version of the same table.
func (t *table) same(o *cube.Table) bool { return t.def.ID == o.ID && t.def.Version == o.Version }
