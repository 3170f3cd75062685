package hbase

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Mem is an HBase in memory, for tests. Like the real one it lets those wait for ever who read or write a table that is not
// there, or disabled. Its fields are set before it is used.
type Mem struct {
	Fault func(call int) error // is asked before each call, which are counted from 0; nil: none. ErrHang waits for the deadline
	Torn  bool                 // a call that fails takes effect in part: a put of every other row, a scan up to some row

	mu    sync.Mutex
	named map[string]*memTable
	calls int
}

type memTable struct {
	rows     map[string][]byte
	sorted   []string // the keys; nil: not known
	splits   [][]byte
	disabled bool
}

// OpenMem returns a store of an empty HBase in memory. The quorum of the options is not used.
func OpenMem(o Options) (*Store, *Mem, error) {
	o.Quorum = "memory"
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, nil, err
	}
	f := &Mem{named: map[string]*memTable{}}
	s, err := newStore(o, f)
	return s, f, err
}

// ErrDown is what a region server says that is going.
var ErrDown = errors.New("org.apache.hadoop.hbase.NotServingRegionException: gone\n\tat a.b.C(D.java:1)")

// Each calls f with every row of a table, in order, and stores the value that it returns; nil removes the row.
func (f *Mem) Each(table string, change func(key, value []byte) []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.named[table]
	if t == nil {
		return
	}
	for _, k := range t.keys() {
		if v := change([]byte(k), bytes.Clone(t.rows[k])); v == nil {
			delete(t.rows, k)
		} else {
			t.rows[k] = v
		}
	}
	t.sorted = nil
}

// Make makes an empty table of one region.
func (f *Mem) Make(table string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.named[table] = &memTable{rows: map[string][]byte{}}
}

// keys returns the keys in order. What it returned before stays as it is.
func (t *memTable) keys() []string {
	if t.sorted == nil {
		t.sorted = slices.Sorted(maps.Keys(t.rows))
	}
	return t.sorted
}

func (f *Mem) call(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	f.calls++
	if f.Fault != nil {
		return f.Fault(f.calls - 1)
	}
	return nil
}

// ErrHang is a fault that, like the real client, waits for the deadline.
var ErrHang = errors.New("hang")

func (f *Mem) begin(ctx context.Context) error {
	f.mu.Lock()
	err := f.call(ctx)
	f.mu.Unlock()
	if errors.Is(err, ErrHang) {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

// never waits, as the real client does where a table is not served. f.mu is held.
func (f *Mem) never(ctx context.Context) error {
	f.mu.Unlock()
	defer f.mu.Lock()
	<-ctx.Done()
	return ctx.Err()
}

func (f *Mem) create(ctx context.Context, table string, splits [][]byte) error {
	err := f.begin(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil && !f.Torn {
		return err
	}
	if f.named[table] != nil {
		return errExists
	}
	f.named[table] = &memTable{rows: map[string][]byte{}, splits: splits}
	return err
}

func (f *Mem) put(ctx context.Context, table string, rows []row) ([]row, error) {
	err := f.begin(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.named[table]
	if t == nil || t.disabled {
		return rows, f.never(ctx)
	}
	t.sorted = nil
	var rest []row
	for i, r := range rows {
		if err == nil || f.Torn && i%2 == 0 {
			t.rows[string(r.key)] = bytes.Clone(r.value)
		} else {
			rest = append(rest, r)
		}
	}
	return rest, err
}

func (f *Mem) scan(ctx context.Context, table string, from, to []byte, take func(r row) error) error {
	err := f.begin(ctx)
	f.mu.Lock()
	t := f.named[table]
	if t == nil || t.disabled {
		defer f.mu.Unlock()
		return f.never(ctx)
	}
	keys := t.keys()
	first, _ := slices.BinarySearch(keys, string(from))
	last, _ := slices.BinarySearch(keys, string(to))
	var rows []row
	for _, k := range keys[first:max(first, last)] {
		rows = append(rows, row{[]byte(k), bytes.Clone(t.rows[k])})
	}
	f.mu.Unlock()
	if err != nil && !f.Torn {
		return err
	}
	for i, r := range rows {
		if err != nil && i%3 == 2 {
			break // in mid-scan
		}
		if err := take(r); err != nil {
			return err
		}
	}
	return err
}

func (f *Mem) alter(ctx context.Context, table string, what change) error {
	if err := f.begin(ctx); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.named[table]
	switch {
	case t == nil:
		return errNotFound
	case what == remove && !t.disabled, what == disable && t.disabled, what == enable && !t.disabled:
		return errState
	case what == remove:
		delete(f.named, table)
	default:
		t.disabled = what == disable
	}
	return nil
}

func (f *Mem) tables(ctx context.Context, prefix string) (map[string]tableState, error) {
	if err := f.begin(ctx); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[string]tableState{}
	for name, t := range f.named {
		if strings.HasPrefix(name, prefix) {
			out[name] = tableState{regions: 1 + len(t.splits), disabled: t.disabled}
		}
	}
	return out, nil
}
