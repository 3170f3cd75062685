package filecache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/blob/faultblob"
	"github.com/tidemarkdb/tidemark/internal/testkit"
	"github.com/tidemarkdb/tidemark/query/filecache"
)

const block = 100

// filled is a store with objects around the borders of blocks, and what they hold.
func filled(t testing.TB) (*blob.Mem, map[string][]byte) {
	t.Helper()
	st, all := new(blob.Mem), map[string][]byte{}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, 99, 100, 101, 200, 1234, 3000} {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(rng.IntN(256))
		}
		key := fmt.Sprintf("staged/%d", size)
		if err := st.Create(t.Context(), key, bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		all[key] = data
	}
	return st, all
}

func open(t testing.TB, st blob.Store, o filecache.Options) *filecache.Cache {
	t.Helper()
	o.BlockBytes = block
	c, err := filecache.New(st, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func read(ctx context.Context, c blob.Store, key string, off, n int64) ([]byte, error) {
	r, err := c.Open(ctx, key, off, n)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func part(data []byte, off, n int64) []byte {
	from := min(off, int64(len(data)))
	if n < 0 || from+n > int64(len(data)) {
		return data[from:]
	}
	return data[from : from+n]
}

// disk returns the bytes of the files in a folder.
func disk(t testing.TB, dir string) (n int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		n += info.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// counted counts calls of Open.
type counted struct {
	blob.Store
	opens atomic.Int64
}

func (c *counted) Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	c.opens.Add(1)
	return c.Store.Open(ctx, key, off, n)
}

// F1, F2, F5: any range is what the store has, below the limit, also by another cache over the same folder; what is kept is not
// fetched again; another store's blocks are not taken for its own.
func TestRangesOfAnyKind(t *testing.T) {
	mem, all := filled(t)
	for _, limit := range []int64{block + 4, 10 * block, 1 << 20} {
		dir, rng := t.TempDir(), rand.New(rand.NewPCG(3, uint64(limit)))
		for life := range 3 {
			c := open(t, mem, filecache.Options{Dir: dir, Bytes: limit})
			for range 300 {
				for key, data := range all {
					off, n := rng.Int64N(int64(len(data))+150), rng.Int64N(1500)-1
					if got, err := read(t.Context(), c, key, off, n); err != nil || !bytes.Equal(got, part(data, off, n)) {
						t.Fatalf("limit %d, life %d: %s from %d, %d bytes: got %d bytes, %v, want %d", limit, life, key, off, n, len(got), err, len(part(data, off, n)))
					}
				}
				if n := disk(t, dir); n > limit {
					t.Fatalf("limit %d: %d bytes on disk", limit, n)
				}
			}
		}
		st := &counted{Store: mem}
		c := open(t, st, filecache.Options{Dir: dir, Bytes: limit})
		for key, data := range all {
			for range 2 {
				if got, err := read(t.Context(), c, key, 0, -1); err != nil || !bytes.Equal(got, data) {
					t.Errorf("limit %d: %s: %d bytes, %v, want %d", limit, key, len(got), err, len(data))
				}
			}
		}
		if n := st.opens.Load(); (n == 0) != (limit == 1<<20) {
			t.Errorf("limit %d: the store was opened %d times after a restart", limit, n)
		}
		other := &counted{Store: mem}
		if _, err := read(t.Context(), open(t, other, filecache.Options{Dir: dir, Bytes: limit, Store: "other"}), "staged/3000", 0, 10); err != nil || other.opens.Load() != 1 {
			t.Errorf("limit %d: another store was opened %d times, %v, want once", limit, other.opens.Load(), err)
		}
	}
}

// F3: what many ask for at once is fetched once.
func TestFetchedOnce(t *testing.T) {
	mem, all := filled(t)
	st, reg := &counted{Store: mem}, prometheus.NewRegistry()
	c := open(t, st, filecache.Options{Dir: t.TempDir(), Registry: reg})
	var readers sync.WaitGroup
	for range 16 {
		readers.Go(func() {
			if got, err := read(t.Context(), c, "staged/200", 0, 150); err != nil || !bytes.Equal(got, all["staged/200"][:150]) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	readers.Wait()
	if n := st.opens.Load(); n != 1 {
		t.Errorf("opened %d times, want once", n)
	}
	if _, err := read(t.Context(), c, "staged/none", 0, 1); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("what is not there: %v", err)
	}
}

// F3: whoever is cancelled while the store is slow ends at once; whoever waits for the same block gets it.
func TestSlowStore(t *testing.T) {
	mem, all := filled(t)
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		c := open(t, &faultblob.Flaky{Store: mem, Latency: time.Minute}, filecache.Options{Dir: dir})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var waiting sync.WaitGroup
		waiting.Go(func() {
			if _, err := read(ctx, c, "staged/99", 0, -1); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want that it took too long", err)
			}
		})
		synctest.Wait()
		began := time.Now()
		if got, err := read(t.Context(), c, "staged/99", 0, -1); err != nil || !bytes.Equal(got, all["staged/99"]) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		waiting.Wait()
		if took := time.Since(began); took < time.Minute || took > 5*time.Minute {
			t.Errorf("took %v: one call of the store takes a minute", took)
		}
	})
}

// short is a store whose bodies end early without an error.
type short struct{ blob.Store }

func (s short) Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	return s.Store.Open(ctx, key, off, n/2)
}

// F1, F4: nothing of a body that was cut is kept or given as whole; a block that is damaged on disk is fetched again; a folder that
// cannot be written makes nobody fail.
func TestBrokenParts(t *testing.T) {
	mem, all := filled(t)
	dir := t.TempDir()
	if got, err := read(t.Context(), open(t, short{mem}, filecache.Options{Dir: dir}), "staged/1234", 0, 500); !errors.Is(err, blob.ErrUnavailable) {
		t.Errorf("cut: %d bytes, %v, want that the store is not available", len(got), err)
	}
	flaky := &faultblob.Flaky{Store: mem}
	c := open(t, flaky, filecache.Options{Dir: dir})
	flaky.Cut()
	if _, err := read(t.Context(), c, "staged/200", 0, -1); !errors.Is(err, blob.ErrUnavailable) {
		t.Errorf("cut off: %v", err)
	}
	flaky.Heal()
	whole := func(what string) {
		for key, data := range all {
			if got, err := read(t.Context(), c, key, 0, -1); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s: %s: %d bytes, %v, want %d", what, key, len(got), err, len(data))
			}
		}
	}
	whole("healed")
	n := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if n++; err != nil {
			return err
		}
		switch data[len(data)/2] ^= 1; n % 3 {
		case 0:
			data = data[:len(data)/2]
		case 1:
			return os.Remove(path)
		}
		return os.WriteFile(path, data, 0o600)
	})
	if err != nil || n < 40 {
		t.Fatalf("%d blocks, %v", n, err)
	}
	whole("damaged")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // nothing can be written below a file
		t.Fatal(err)
	}
	whole("not writable")
	whole("not writable again")
}

func TestMetricsAreDocumented(t *testing.T) {
	reg := prometheus.NewRegistry()
	open(t, new(blob.Mem), filecache.Options{Dir: t.TempDir(), Registry: reg})
	testkit.CheckMetrics(t, reg, "tidemark_query_files_")
}

func TestOptions(t *testing.T) {
	for _, o := range []filecache.Options{{}, {Dir: t.TempDir(), Bytes: block}, {Dir: t.TempDir(), BlockBytes: -1}} {
		if _, err := filecache.New(new(blob.Mem), o); err == nil {
			t.Errorf("%+v: taken", o)
		}
	}
}

// The same over a real server: what a second cache over the folder reads needs none.
func TestRealS3(t *testing.T) {
	if os.Getenv("TIDEMARK_TEST_S3") == "" {
		t.Skip("TIDEMARK_TEST_S3 is not set")
	}
	st, err := blob.OpenStore(t.Context(), testkit.S3(t), blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, all := filled(t)
	for key, data := range all {
		if err := st.Create(t.Context(), key, bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	for life, want := range []bool{true, false} {
		opens := &counted{Store: st}
		c := open(t, opens, filecache.Options{Dir: dir})
		for key, data := range all {
			for _, n := range []int64{-1, 150} {
				if got, err := read(t.Context(), c, key, 0, n); err != nil || !bytes.Equal(got, part(data, 0, n)) {
					t.Errorf("life %d: %s, %d bytes: got %d, %v", life, key, n, len(got), err)
				}
			}
		}
		if got := opens.opens.Load(); (got > 0) != want {
			t.Errorf("life %d: opened %d times", life, got)
		}
	}
}
