//go:build e2e

package hbase

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/internal/testkit/celltest"
)

// hooked is a real server; at is called before put number on, counted from 1.
type hooked struct {
	server
	puts atomic.Int64
	on   int64
	at   func()
}

func (h *hooked) put(ctx context.Context, table string, rows []row) ([]row, error) {
	if h.puts.Add(1) == h.on {
		h.at()
	}
	return h.server.put(ctx, table, rows)
}

// script runs the script that starts and kills the server.
func script(t *testing.T, what string) {
	t.Helper()
	path := os.Getenv("TIDEMARK_TEST_HBASE_SCRIPT")
	if path == "" {
		t.Skip("TIDEMARK_TEST_HBASE_SCRIPT is not set (make e2e sets it)")
	}
	if out, err := exec.Command(path, what).CombinedOutput(); err != nil {
		t.Errorf("%s %s: %v\n%s", path, what, err, out)
	}
}

func realStore(t *testing.T, o Options) (*Store, *hooked) {
	t.Helper()
	script(t, "start") // nothing where it runs already
	o.Quorum = os.Getenv("TIDEMARK_TEST_HBASE")
	o = o.withDefaults()
	c := newCluster(o)
	h := &hooked{server: c}
	s, err := newStore(o, h)
	if err != nil {
		t.Fatal(err)
	}
	s.renew, s.close = c.clients.renew, c.clients.close
	t.Cleanup(s.Close)
	return s, h
}

func dropAll(t *testing.T, s *Store) {
	t.Helper()
	list, err := s.Tables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range list {
		if err := s.Drop(t.Context(), table.Name); err != nil {
			t.Error(err)
		}
	}
}

// Cuboids are written to a real HBase and read back, merged with those of another segment, disabled and dropped.
func TestRealTables(t *testing.T) {
	s, _ := realStore(t, Options{Prefix: "e2etables", ShardEvents: 50})
	dropAll(t, s)
	var worlds []*written
	for i := range 2 {
		w := newWorld(t, uint64(10+i), 150)
		if err := w.write(t, s, w.spec(int64(i), 150), 40); err != nil {
			t.Fatal(err)
		}
		if err := w.same(t, s); err != nil {
			t.Fatal(err)
		}
		worlds = append(worlds, w)
	}
	list, err := s.Tables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range list {
		if table.Regions != 3 {
			t.Errorf("%+v, want 3 regions", table)
		}
	}
	if len(list) != 2 {
		t.Fatalf("tables %+v, want 2", list)
	}
	merged := mergeReal(t, s, worlds)
	if err := merged.write(t, s, merged.spec(2, 300), 60); err != nil {
		t.Fatal(err)
	}
	if err := merged.same(t, s); err != nil {
		t.Fatal(err)
	}
	for _, w := range worlds {
		if err := s.Disable(t.Context(), w.stored.Table); err != nil {
			t.Error(err)
		}
		if err := w.same(t, s); err == nil {
			t.Error("a disabled table is read")
		}
		for range 2 {
			if err := s.Drop(t.Context(), w.stored.Table); err != nil {
				t.Error(err)
			}
		}
	}
	if err := merged.same(t, s); err != nil {
		t.Error(err)
	}
	dropAll(t, s)
	if list, err = s.Tables(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("left %+v: %v", list, err)
	}
}

// mergeReal merges the cuboids of tables as they are read.
func mergeReal(t *testing.T, s *Store, worlds []*written) *written {
	t.Helper()
	l := worlds[0].layout
	parts := map[uint64][]cells.Part{}
	for _, w := range worlds {
		r, err := s.NewReader(l, w.stored, w.entries)
		if err != nil {
			t.Fatal(err)
		}
		for _, mask := range celltest.Masks(l) {
			groups, err := r.Groups(t.Context(), mask)
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range groups {
				c, err := r.Cells(t.Context(), g)
				if err != nil {
					t.Fatal(err)
				}
				parts[mask] = append(parts[mask], cells.Part{Cells: c, To: c.Len()})
			}
		}
	}
	all := map[uint64]*cells.Cells{}
	for mask, list := range parts {
		c, err := l.Combine(mask, list...)
		if err != nil {
			t.Fatal(err)
		}
		all[mask] = c
	}
	return worldOf(t, l, all)
}

// Values of all lengths around what fits into one column, and many rows over several regions and batches.
func TestRealRows(t *testing.T) {
	s, _ := realStore(t, Options{Prefix: "e2erows"})
	dropAll(t, s)
	name := TableName(s.o.Prefix, "c", "00", 1)
	if _, err := s.create(t.Context(), name, 3); err != nil {
		t.Fatal(err)
	}
	rnd, want := rand.New(rand.NewPCG(1, 2)), []row(nil)
	for i := range 30_000 {
		key := appendPrefix(nil, 1+i%3, uint64(rnd.IntN(4)))
		want = append(want, row{append(key, byte(i>>16), byte(i>>8), byte(i)), make([]byte, 1+rnd.IntN(60))})
	}
	for i, n := range []int{pieceBytes - 1, pieceBytes, pieceBytes + 1, 3*pieceBytes + 5} {
		want[i*1000].value = make([]byte, n)
		for k := range want[i*1000].value {
			want[i*1000].value[k] = byte(rnd.Uint32())
		}
	}
	began := time.Now()
	if err := s.put(t.Context(), name, want); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d rows put in %v", len(want), time.Since(began))
	slices.SortFunc(want, func(a, b row) int { return bytes.Compare(a.key, b.key) })
	began = time.Now()
	i := 0
	err := s.scan(t.Context(), name, want[100].key, want[29_900].key, func(r row) error {
		if w := want[100+i]; !bytes.Equal(r.key, w.key) || !bytes.Equal(r.value, w.value) {
			t.Fatalf("row %d: key % x and %d bytes, want % x and %d", i, r.key, len(r.value), w.key, len(w.value))
		}
		i++
		return nil
	})
	if err != nil || i != 29_800 {
		t.Errorf("%d rows, want 29800: %v", i, err)
	}
	t.Logf("%d rows read in %v", i, time.Since(began))
	dropAll(t, s)
}

// The region server dies in mid-write and comes back: the segment is whole. That it stays away is TestE2EHBase, and
// TestTableFaults of builder/local.
func TestRealCrash(t *testing.T) {
	w := newWorld(t, 20, 400)
	s, h := realStore(t, Options{Prefix: "e2ecrash", BatchRows: 30, Timeout: 10 * time.Second, RetryFor: 3 * time.Minute, ShardEvents: 150})
	dropAll(t, s)
	back := make(chan struct{})
	h.on, h.at = 9, func() {
		script(t, "crash")
		go func() {
			defer close(back)
			script(t, "start")
		}()
	}
	if err := w.write(t, s, w.spec(1, 400), 100); err != nil {
		t.Fatal(err)
	}
	<-back
	if err := w.same(t, s); err != nil {
		t.Error(err)
	}
	dropAll(t, s)
}
