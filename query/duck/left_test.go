package duck

import (
	"context"
	"iter"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// A statement that wants no more of a table leaves records that its scan had made ready: they are released with its Rows.
func TestRecordsOfAScanThatEndsEarlyAreReleased(t *testing.T) {
	db := open(t)
	checked := memory.NewCheckedAllocator(memory.DefaultAllocator)
	schema := fields("a", arrow.PrimitiveTypes.Int64)
	for name, rows := range map[string]int64{"one thread": 1, "several threads": parallelRows} {
		given := 0
		many := Table{Name: "many", Schema: schema, Rows: rows, Scan: func(context.Context, []int) iter.Seq2[arrow.Record, error] {
			return func(yield func(arrow.Record, error) bool) {
				for range 1000 {
					rec, _, err := array.RecordFromJSON(checked, schema, strings.NewReader(`[{"a": 1}, {"a": 2}]`))
					if err != nil {
						t.Error(err)
						return
					}
					given++
					more := yield(rec, nil)
					rec.Release()
					if !more {
						return
					}
				}
			}
		}}
		for _, sql := range []string{"SELECT a FROM many LIMIT 1", "SELECT a FROM many", "SELECT error('enough') FROM many WHERE a = 2"} {
			rows, err := db.Query(t.Context(), parse(t, db, sql), []Table{many})
			if err == nil {
				if rec, err := rows.Next(); err == nil {
					rec.Release()
				}
				if err := rows.Close(); err != nil {
					t.Errorf("%s: %s: %v", name, sql, err)
				}
			}
			if left := checked.CurrentAlloc(); left != 0 {
				t.Errorf("%s: %s: %d bytes are left", name, sql, left)
			}
		}
		if given < 3 {
			t.Errorf("%s: %d records were given: nothing was tested", name, given)
		}
	}
}
