package duck

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
)

// A panic in a Scan, or in what DuckDB calls, ends the statement with its value and its stack; the next one runs.
func TestPanicsEndTheStatement(t *testing.T) {
	db := open(t)
	whole := small(t)
	for name, broken := range map[string]Table{
		"scan": {Name: whole.Name, Schema: whole.Schema, Scan: func(context.Context, []int) iter.Seq2[arrow.Record, error] { panic("broken") }},
		"fill": {Name: whole.Name, Schema: whole.Schema, Scan: func(ctx context.Context, columns []int) iter.Seq2[arrow.Record, error] {
			return func(yield func(arrow.Record, error) bool) {
				for rec, err := range whole.Scan(ctx, columns) {
					if !yield(brokenRecord{rec}, err) {
						return
					}
				}
			}
		}},
	} {
		_, err := answer(t, db, "SELECT * FROM "+whole.Name, []Table{broken})
		var p *PanicError
		if !errors.As(err, &p) || p.Value != "broken" || !strings.Contains(string(p.Stack), "panic_test.go") {
			t.Errorf("%s: got %v, want the panic with its stack", name, err)
		}
		if _, err := answer(t, db, "SELECT * FROM "+whole.Name, []Table{whole}); err != nil {
			t.Errorf("%s: afterwards %v", name, err)
		}
	}
}

// brokenRecord is one whose columns cannot be had.
type brokenRecord struct{ arrow.Record }

func (brokenRecord) Column(int) arrow.Array { panic("broken") }
