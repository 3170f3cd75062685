package ducktest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRows(t *testing.T) {
	db := Open(t)
	got := Rows(t, db, "select i, i * 1.5::double, null from range(2) t(i) where i >= ? order by i", 1)
	if diff := cmp.Diff([][]any{{int64(1), 1.5, nil}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
