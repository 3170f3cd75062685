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

// fakeServer is an HBase in memory. Every call counts; fault is asked before each, and after a put for each row.
type fakeServer struct {
	mu     sync.Mutex
	named  map[string]*fakeTable
	calls  int
	fault  func(call int) error // nil: none
	torn   bool                 // a put that fails has written every other row
}

type fakeTable struct {
	rows     map[string][]byte
	splits   [][]byte
	disabled bool
}

func newFake() *fakeServer { return &fakeServer{named: map[string]*fakeTable{}} }

var errDown = errors.New("org.apache.hadoop.hbase.NotServingRegionException: gone\n\tat a.b.C(D.java:1)")

func (f *fakeServer) call(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	f.calls++
	if f.fault != nil {
		return f.fault(f.calls - 1)
	}
	return nil
}

// hang is a fault that, like the real client, waits for the deadline.
var hang = errors.New("hang")

func (f *fakeServer) begin(ctx context.Context) error {
	f.mu.Lock()
	err := f.call(ctx)
	f.mu.Unlock()
	if err == hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

// never waits, as the real client does where a table is not served. f.mu is held.
func (f *fakeServer) never(ctx context.Context) error {
	f.mu.Unlock()
	defer f.mu.Lock()
	<-ctx.Done()
	return ctx.Err()
}

func (f *fakeServer) create(ctx context.Context, table string, splits [][]byte) error {
	err := f.begin(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil && !f.torn {
		return err
	}
	if f.named[table] != nil {
		return errExists
	}
	f.named[table] = &fakeTable{rows: map[string][]byte{}, splits: splits}
	return err
}

func (f *fakeServer) put(ctx context.Context, table string, rows []row) ([]row, error) {
	err := f.begin(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.named[table]
	if t == nil || t.disabled {
		return rows, f.never(ctx)
	}
	var rest []row
	for i, r := range rows {
		if err == nil || f.torn && i%2 == 0 {
			t.rows[string(r.key)] = bytes.Clone(r.value)
		} else {
			rest = append(rest, r)
		}
	}
	return rest, err
}

func (f *fakeServer) scan(ctx context.Context, table string, from, to []byte, take func(r row) error) error {
	err := f.begin(ctx)
	f.mu.Lock()
	t := f.named[table]
	if t == nil || t.disabled {
		defer f.mu.Unlock()
		return f.never(ctx)
	}
	rows := maps.Clone(t.rows)
	f.mu.Unlock()
	if err != nil && !f.torn {
		return err
	}
	for i, k := range slices.Sorted(maps.Keys(rows)) {
		if k < string(from) || k >= string(to) {
			continue
		}
		if err != nil && i%3 == 2 {
			break // in mid-scan
		}
		if err := take(row{[]byte(k), rows[k]}); err != nil {
			return err
		}
	}
	return err
}

func (f *fakeServer) alter(ctx context.Context, table string, what change) error {
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

func (f *fakeServer) tables(ctx context.Context, prefix string) (map[string]tableState, error) {
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
