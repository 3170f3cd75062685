package duck

import (
	"context"
	"errors"
	"testing"
)

// FuzzParse: whatever text comes, there is a statement or an *Error (D1). A statement can be written again as SQL that
// is read again (D3), and planned over a table or refused.
func FuzzParse(f *testing.F) {
	for _, sql := range statements(f) {
		f.Add(sql)
	}
	db := open(f)
	in := small(f)
	f.Fuzz(func(t *testing.T, sql string) {
		ctx := context.Background()
		s, err := db.Parse(ctx, sql)
		if err != nil {
			fuzzed(t, sql, err)
			return
		}
		text, err := db.Text(ctx, s.Query)
		if err != nil {
			fuzzed(t, sql, err)
			return
		}
		if _, err := db.Compile(ctx, s.Query); err != nil {
			if e := fuzzed(t, text, err); e.Kind == KindInternal {
				t.Logf("%s: %v", sql, err)
			}
		}
		if _, err := db.Describe(ctx, s, []Table{in}); err != nil {
			fuzzed(t, sql, err)
		}
	})
}

func fuzzed(t *testing.T, sql string, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Message == "" || e.Offset > len(sql) {
		t.Fatalf("%q: %v", sql, err)
	}
	return e
}
