package dictionary_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tidemarkdb/tidemark/builder/dictionary"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// memCatalog is the obvious catalog of one dictionary.
type memCatalog struct {
	mu   sync.Mutex
	list []catalog.DictionarySlice
}

func (m *memCatalog) DictionarySlices(_ context.Context, _, _ string, after int64) ([]catalog.DictionarySlice, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.list[min(int(after), len(m.list)):]), nil
}

func (m *memCatalog) AppendDictionary(_ context.Context, s catalog.DictionarySlice) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := int(s.Slice); n <= len(m.list) && m.list[n-1] == s {
		return nil
	}
	next := int64(0)
	for _, x := range m.list {
		next += x.Values
	}
	if s.Slice != int64(len(m.list)+1) || s.FirstID != next {
		return catalog.ErrDictionaryMoved
	}
	m.list = append(m.list, s)
	return nil
}

// steps is called around each call to a store or a catalog.
type steps struct {
	before func() error // fails: the call has no effect
	after  func() error // fails: the call took effect
}

func (s steps) around(call func() error) error {
	if err := s.before(); err != nil {
		return err
	}
	if err := call(); err != nil {
		return err
	}
	return s.after()
}

type steppedCatalog struct {
	dictionary.Catalog
	steps
}

func (c steppedCatalog) DictionarySlices(ctx context.Context, table, column string, after int64) (list []catalog.DictionarySlice, err error) {
	err = c.around(func() error {
		list, err = c.Catalog.DictionarySlices(ctx, table, column, after)
		return err
	})
	return list, err
}

func (c steppedCatalog) AppendDictionary(ctx context.Context, s catalog.DictionarySlice) error {
	return c.around(func() error { return c.Catalog.AppendDictionary(ctx, s) })
}

type steppedStore struct {
	blob.Store
	steps
}

func (s steppedStore) Open(ctx context.Context, key string, off, n int64) (r io.ReadCloser, err error) {
	err = s.around(func() error {
		r, err = s.Store.Open(ctx, key, off, n)
		return err
	})
	return r, err
}

func (s steppedStore) Create(ctx context.Context, key string, body io.Reader) error {
	return s.around(func() error { return s.Store.Create(ctx, key, body) })
}

func (s steppedStore) List(ctx context.Context, prefix string) iter.Seq2[blob.Object, error] {
	return s.Store.List(ctx, prefix)
}

// col makes a sorted column of distinct values.
func col(values ...string) *stage.Column {
	values = slices.Clone(values)
	slices.Sort(values)
	c := &stage.Column{Kind: stage.Bytes}
	for _, v := range slices.Compact(values) {
		c.AppendBytes([]byte(v))
	}
	return c
}

func open(t testing.TB, o dictionary.Options) *dictionary.Dictionaries {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	d, err := dictionary.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// build does what a build does: it gathers blocks of values and asks for the ids of each.
func build(ctx context.Context, d *dictionary.Dictionaries, blocks ...*stage.Column) (_ map[string]uint32, key string, err error) {
	g := d.Gather("t1", "name")
	defer func() { err = errors.Join(err, g.Close()) }()
	numbers := make([]int, len(blocks))
	for i, b := range blocks {
		if numbers[i], err = g.Add(ctx, b); err != nil {
			return nil, "", err
		}
	}
	ids, err := g.Resolve(ctx)
	if err != nil {
		return nil, "", err
	}
	out := map[string]uint32{}
	for k, b := range blocks {
		list, err := ids.Of(ctx, numbers[k])
		if err != nil {
			return nil, "", err
		}
		if len(list) != b.Len() {
			return nil, "", fmt.Errorf("%d ids for %d values", len(list), b.Len())
		}
		for i, id := range list {
			v := string(b.Bytes(i))
			if old, ok := out[v]; ok && old != id {
				return nil, "", fmt.Errorf("value %q has ids %d and %d", v, old, id)
			}
			out[v] = id
		}
	}
	if int64(len(out)) != ids.Values() {
		return nil, "", fmt.Errorf("%d distinct values, want %d", ids.Values(), len(out))
	}
	in, _ := ids.Input()
	return out, in.Key, nil
}

// checkAll reads all slices: D1, D3 and D5.
func checkAll(t testing.TB, st blob.Store, c *memCatalog) {
	t.Helper()
	next := int64(0)
	for i, s := range c.list {
		if s.Slice != int64(i+1) || s.FirstID != next {
			t.Fatalf("place %d holds slice %d from id %d, want id %d", i, s.Slice, s.FirstID, next)
		}
		if err := dictionary.Check(context.Background(), st, s); err != nil {
			t.Fatal(err)
		}
		_, previous, err := dictionary.Describe(context.Background(), st, s.Key, s.Size)
		if err != nil || (i > 0 && previous != c.list[i-1].Key) || (i == 0 && previous != "") {
			t.Fatalf("slice %d says that %q is before it, %v", s.Slice, previous, err)
		}
		next += s.Values
	}
}

// objects lists keys below a prefix.
func objects(t testing.TB, st blob.Store) (keys []string) {
	t.Helper()
	for o, err := range st.List(context.Background(), dictionary.Prefix) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
	return keys
}

func read(t testing.TB, st blob.Store, key string) []byte {
	t.Helper()
	r, err := st.Open(context.Background(), key, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func put(t testing.TB, st blob.Store, key string, text []byte) {
	t.Helper()
	if err := st.Create(context.Background(), key, bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
}

func words(s string) *stage.Column { return col(strings.Fields(s)...) }
