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

	mu       sync.Mutex // guards decoders
	decoders []*decode.Decoder
	first    *decode.Decoder
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

// same reports whether both are the same version of the same table.
func (t *table) same(o *cube.Table) bool { return t.def.ID == o.ID && t.def.Version == o.Version }
