package query

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/builder/lookup"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// slowStore answers an Open when it is let.
type slowStore struct {
	blob.Store
	asked chan struct{}
	let   chan error
}

func (s *slowStore) Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	s.asked <- struct{}{}
	select {
	case err := <-s.let:
		if err != nil {
			return nil, err
		}
		return s.Store.Open(ctx, key, off, n)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// slowLookups have a lookup table with the columns id, a and b in a slow store.
func slowLookups(t *testing.T) (*lookups, *slowStore, catalog.LookupVersion) {
	t.Helper()
	s, err := lookup.Read(lookup.Source{Project: "default", Name: "shops", Key: "id", Format: "csv"}, []byte("id,a,b\n1,x,y\n2,x,y\n"))
	if err != nil {
		t.Fatal(err)
	}
	mem := new(blob.Mem)
	v := catalog.LookupVersion{Lookup: s.Lookup, Key: lookup.Key("aaaa", 1, s.SHA256), SHA256: s.SHA256, Rows: s.Rows, Size: int64(len(s.Bytes))}
	if err := blob.CreateSame(t.Context(), mem, v.Key, bytes.NewReader(s.Bytes)); err != nil {
		t.Fatal(err)
	}
	m, err := newMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	st := &slowStore{Store: mem, asked: make(chan struct{}, 10), let: make(chan error, 10)}
	return newLookups(st, 1<<20, m), st, v
}

// While an object is read, columns that are kept are there for others, the object is not read twice at once, and who waits may leave.
func TestLookupReadHoldsNobody(t *testing.T) {
	l, st, v := slowLookups(t)
	st.let <- nil
	if _, err := l.columns(t.Context(), v, []string{"id", "a"}); err != nil {
		t.Fatal(err)
	}
	<-st.asked
	var wg sync.WaitGroup
	read := func(ctx context.Context, want error) {
		wg.Go(func() {
			got, err := l.columns(ctx, v, []string{"id", "b"})
			if !errors.Is(err, want) || err == nil && got["b"].Len() != 2 {
				t.Errorf("columns while others read: %v, %v, want %v", got, err, want)
			}
		})
	}
	read(t.Context(), nil)
	<-st.asked // it reads, and is held up
	if got, err := l.columns(t.Context(), v, []string{"id", "a"}); err != nil || got["a"].Len() != 2 {
		t.Errorf("kept columns while others are read: %v, %v, want two values", got, err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := l.columns(gone, v, []string{"b"}); !errors.Is(err, context.Canceled) {
		t.Errorf("a statement that ends while it waits: %v, want %v", err, context.Canceled)
	}
	for range 4 {
		read(t.Context(), nil)
	}
	st.let <- nil
	wg.Wait()
	if n := len(st.asked); n != 0 {
		t.Errorf("the object was read %d times more than once", n)
	}
}

// Who waits hears why a read failed, but where the statement that read was cancelled, another one reads.
func TestLookupReadFails(t *testing.T) {
	l, st, v := slowLookups(t)
	gone, leave := context.WithCancel(t.Context())
	first := make(chan error)
	go func() {
		_, err := l.columns(gone, v, []string{"a"})
		first <- err
	}()
	<-st.asked
	second := make(chan error)
	go func() {
		_, err := l.columns(t.Context(), v, []string{"a"})
		second <- err
	}()
	leave()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled while it read: %v, want %v", err, context.Canceled)
	}
	<-st.asked // the second reads now
	st.let <- blob.ErrUnavailable
	if err := <-second; !errors.Is(err, blob.ErrUnavailable) {
		t.Errorf("a store that does not answer: %v, want %v", err, blob.ErrUnavailable)
	}
	st.let <- nil
	if _, err := l.columns(t.Context(), v, []string{"a"}); err != nil {
		t.Errorf("once it answers: %v", err)
	}
}
