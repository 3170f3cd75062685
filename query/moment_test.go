package query_test

import (
	"context"
	"errors"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/query/source"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// hooked calls what it is told when a tail is pinned, and when a pin is released for the first time.
type hooked struct {
	source.Tail
	pins     int
	pinned   func(pin int)
	released func(pin int)
}

func (h *hooked) Pin(ctx context.Context, table string) (source.Pin, error) {
	h.pins++
	if h.pinned != nil {
		h.pinned(h.pins)
	}
	p, err := h.Tail.Pin(ctx, table)
	return &hookedPin{Pin: p, h: h, n: h.pins}, err
}

type hookedPin struct {
	source.Pin
	h    *hooked
	n    int
	done bool
}

func (p *hookedPin) Release() {
	if p.Pin.Release(); !p.done && p.h.released != nil {
		p.done = true
		p.h.released(p.n)
	}
}

// Q1: a table and a cube over it are read at one moment, although the catalog is asked for each.
func TestOneMoment(t *testing.T) {
	w := someWorld(t)
	p := w.parts[0]
	p.tail = nil
	h := &hooked{Tail: w}
	h.pinned = func(n int) {
		if n == 2 {
			w.stage(p, 100)
		}
	}
	e := w.limited(query.Options{Tail: h})
	a, err := e.Query(context.Background(), query.Request{SQL: "SELECT (SELECT count(*) FROM shop), (SELECT count(*) FROM sales)"})
	must(t, err)
	defer a.Close()
	rec, err := a.Next()
	must(t, err)
	defer rec.Release()
	if x, y := rec.Column(0).(*array.Int64).Value(0), rec.Column(1).(*array.Int64).Value(0); x != y || h.pins != 1 {
		t.Errorf("%d events of the table, %d of the cube, %d pins: want as many, and one pin", x, y, h.pins)
	}
}

// prepend commits one more offset before those that a partition has.
func (w *world) prepend(p *part, before int64) {
	w.t.Helper()
	r := segmenter.PartitionRange{Partition: p.n, Start: before - 1, End: before}
	epoch, err := w.cat.Prepend(context.Background(), catalog.Prepend{TableID: w.table.ID, Epoch: p.epoch, Rows: []catalog.Commit{{
		TableID: w.table.ID, Row: segmenter.LedgerRow{Range: r, State: segmenter.Skipped, Reason: "test"},
		LedgerFile: &catalog.File{Key: "ledger/" + r.String() + ".json", Size: 1, SHA256: "00", Records: 1},
	}}})
	must(w.t, err)
	p.epoch = epoch
}

// A statement under which committed events change begins again; where they change each time, it says so.
func TestEventsChangeUnderStatement(t *testing.T) {
	for _, times := range []int{1, 100} {
		for _, sql := range []string{"SELECT country, count(*) FROM shop WHERE ts > '2026-03-27 06:10:10' GROUP BY 1"} {
			w := newWorld(t, 7, 1, 1, 1, 300)
			p := w.parts[3]
			w.stage(p, 300)
			w.apply(cubeYAML, w.firsts())
			w.build("sales", segmenter.Vector{p.line(0, 300)}, false)
			h := &hooked{Tail: w}
			h.released = func(n int) {
				if n <= times {
					w.prepend(p, p.first-int64(n)+1)
				}
			}
			e := w.limited(query.Options{Tail: h})
			rows, err := answered(e, query.Request{SQL: sql})
			var again *query.AgainError
			switch {
			case times == 1 && (err != nil || rows == 0 || h.pins != 2):
				t.Errorf("%s: %d rows, %v, begun %d times: want rows, and twice", sql, rows, err, h.pins)
			case times > 1 && (!errors.As(err, &again) || h.pins != 20):
				t.Errorf("%s: %v, begun %d times: want an *AgainError after 20", sql, err, h.pins)
			}
			must(t, w.cat.Close())
		}
	}
}
