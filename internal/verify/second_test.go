package verify

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/internal/blob"
)

const goldenFile = "../../builder/cuboid/testdata/format/v1/cuboids-00000.parquet"

// brokenStore fails after a few bytes.
type brokenStore struct{ blob.Store }

var errBroken = errors.New("the disk is gone")

func (b brokenStore) Open(context.Context, string, int64, int64) (io.ReadCloser, error) {
	return nil, errBroken
}

// The second reader agrees on a cuboid file; what it reads otherwise has a message; a store that fails is an error.
func TestReadSecond(t *testing.T) {
	data, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	st := new(blob.Mem)
	if err := st.Create(t.Context(), "x", bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	f, err := cuboid.OpenFile(t.Context(), st, "x", int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cols, err := f.Read(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, want string
		change     func(*ours)
	}{
		{"nothing", "", func(*ours) {}},
		{"rows", "rows, its footer says", func(o *ours) { o.rows++ }},
		{"columns", "columns, want", func(o *ours) { o.sums = o.sums[1:] }},
		{"sum", "with sum", func(o *ours) { o.sums[3].sum++ }},
		{"nulls", "we read", func(o *ours) { o.sums[2].values-- }},
	} {
		o := oursOf(f, cols)
		tt.change(&o)
		why, err := new(run).readSecond(&storedFile{ctx: t.Context(), st: st, key: "x", size: int64(len(data))}, o)
		if err != nil || (why == "") != (tt.want == "") || !strings.Contains(why, tt.want) {
			t.Errorf("%s changed: got %q, error %v, want %q", tt.name, why, err, tt.want)
		}
	}
	why, err := new(run).readSecond(&storedFile{ctx: t.Context(), st: brokenStore{st}, key: "x", size: int64(len(data))}, oursOf(f, cols))
	if !errors.Is(err, errBroken) {
		t.Errorf("a store that fails: got %q, error %v, want error %v", why, err, errBroken)
	}
}
