package query

import (
	"bytes"
	"cmp"
	"container/list"
	"context"
	"fmt"
	"iter"
	"sort"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tidemarkdb/tidemark/builder/lookup"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query/duck"
	"github.com/tidemarkdb/tidemark/query/plan"
	"github.com/tidemarkdb/tidemark/query/run"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// lookups keep columns of snapshots, which never change, under a limit. The snapshots asked for last stay.
type lookups struct {
	store blob.Store
	limit int64 // bytes
	m     *metrics

	mu    sync.Mutex
	bytes int64
	items map[string]*list.Element
	order list.List // of *snapshotColumns, the one asked for last in front
}

func newLookups(st blob.Store, limit int64, m *metrics) *lookups {
	return &lookups{store: st, limit: limit, m: m, items: map[string]*list.Element{}}
}

// snapshotColumns are columns of one snapshot. Its object is read by one statement at a time, which holds no lock meanwhile: columns
// that are kept are there for others at once, and who wants more of them waits for that read first.
type snapshotColumns struct {
	key string

	mu      sync.Mutex
	columns map[string]*stage.Column
	reading *objectRead // nil: nobody reads
	bytes   int64       // of columns
	counted int64       // of that, in lookups.bytes: under its mutex
}

// objectRead is a read of a snapshot's object that is under way.
type objectRead struct {
	done chan struct{}
	err  error // set before done is closed: what is wrong for all who wait
}

// columns returns columns of a snapshot.
func (l *lookups) columns(ctx context.Context, v catalog.LookupVersion, names []string) (map[string]*stage.Column, error) {
	l.mu.Lock()
	at, ok := l.items[v.Key]
	if !ok {
		at = l.order.PushFront(&snapshotColumns{key: v.Key, columns: map[string]*stage.Column{}})
		l.items[v.Key] = at
	}
	l.order.MoveToFront(at)
	s := at.Value.(*snapshotColumns)
	l.mu.Unlock()
	out, size, err := s.read(ctx, l, v, names)
	if err != nil {
		return nil, err
	}
	l.count(s, size)
	return out, nil
}

// read returns columns, and how many bytes are kept of the snapshot then.
func (s *snapshotColumns) read(ctx context.Context, l *lookups, v catalog.LookupVersion, names []string) (map[string]*stage.Column, int64, error) {
	for {
		w := s.kept(names)
		if len(w.missing) == 0 {
			return w.columns, w.bytes, nil
		}
		if w.begun {
			err := s.fetch(ctx, l, v, &w)
			return w.columns, w.bytes, err
		}
		select {
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		case <-w.read.done:
		}
		if w.read.err != nil {
			return nil, 0, w.read.err
		}
	}
}

// wanted is what a statement wants of a snapshot.
type wanted struct {
	columns map[string]*stage.Column // nil: missing
	missing []string
	bytes   int64       // that are kept of the snapshot
	read    *objectRead // that is to be waited for
	begun   bool        // by this statement, which has to do it
}

// kept returns the columns that are kept. For the others a read begins, where there is none.
func (s *snapshotColumns) kept(names []string) wanted {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := wanted{columns: map[string]*stage.Column{}, bytes: s.bytes}
	for _, name := range names {
		if c, ok := s.columns[name]; ok {
			w.columns[name] = c
		} else if _, asked := w.columns[name]; !asked {
			w.columns[name], w.missing = nil, append(w.missing, name)
		}
	}
	if len(w.missing) > 0 && s.reading == nil {
		s.reading, w.begun = &objectRead{done: make(chan struct{})}, true
	}
	w.read = s.reading
	return w
}

// fetch reads what is missing and keeps it.
func (s *snapshotColumns) fetch(ctx context.Context, l *lookups, v catalog.LookupVersion, w *wanted) error {
	defer func() { // also after a panic
		s.mu.Lock()
		s.reading = nil
		s.mu.Unlock()
		close(w.read.done)
	}()
	read, err := lookup.Columns(ctx, l.store, v, w.missing)
	if err != nil {
		err = fmt.Errorf("lookup table %s, version %d: %w: apply it again", v.Lookup.Name, v.Lookup.Version, err)
		if ctx.Err() == nil { // else it is this statement that ended, and one of those that wait reads
			w.read.err = err
		}
		return err
	}
	l.m.lookups.Inc()
	for i, name := range w.missing {
		w.columns[name] = read[i]
	}
	need := int64(0)
	for _, c := range w.columns {
		need += c.MemBytes()
	}
	if need > l.limit {
		return &duck.Error{
			Kind: duck.KindMemory, Offset: -1, Message: fmt.Sprintf("columns of lookup table %s take %d bytes of memory, query.lookup_bytes is %d", v.Lookup.Name, need, l.limit),
			Hint: "ask for fewer columns, or raise it",
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bytes+need > l.limit { // what others asked for goes
		s.columns, s.bytes = map[string]*stage.Column{}, 0
	}
	for name, c := range w.columns {
		if _, ok := s.columns[name]; !ok {
			s.columns[name], s.bytes = c, s.bytes+c.MemBytes()
		}
	}
	w.bytes = s.bytes
	return nil
}

// count keeps what is held below the limit: the snapshots that were asked for longest ago go.
func (l *lookups) count(s *snapshotColumns, size int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, ok := l.items[s.key]; !ok || at.Value != s {
		return // it was dropped meanwhile: who reads it keeps it alive
	}
	l.bytes += size - s.counted
	s.counted = size
	for l.bytes > l.limit && l.order.Len() > 1 {
		old := l.order.Remove(l.order.Back()).(*snapshotColumns)
		delete(l.items, old.key)
		l.bytes -= old.counted
	}
	l.m.lookupBytes.Set(float64(l.bytes))
}

// follow returns the values that a column of a snapshot has for keys: null for null, and for keys without a row.
func (l *lookups) follow(ctx context.Context, v catalog.LookupVersion, column string, keys *stage.Column) (*stage.Column, error) {
	cols, err := l.columns(ctx, v, []string{v.Lookup.Key, column})
	if err != nil {
		return nil, err
	}
	have, values := cols[v.Lookup.Key], cols[column]
	if have.Kind != keys.Kind {
		return nil, fmt.Errorf("lookup table %s: keys are of kind %d, and values of the events of kind %d", v.Lookup.Name, have.Kind, keys.Kind)
	}
	out := &stage.Column{Kind: values.Kind}
	from := 0 // keys mostly ascend
	for i := range keys.Len() {
		if keys.IsNull(i) {
			out.AppendNull()
			continue
		}
		if from > 0 && compareAt(have, from-1, keys, i) >= 0 {
			from = 0
		}
		at := from + sort.Search(have.Len()-from, func(k int) bool { return compareAt(have, from+k, keys, i) >= 0 })
		from = at
		if at == have.Len() || compareAt(have, at, keys, i) != 0 || values.IsNull(at) {
			out.AppendNull()
		} else {
			out.AppendFrom(values, at, at+1)
		}
	}
	return out, nil
}

// compareAt compares a key of a snapshot with one of events, in the order of snapshots.
func compareAt(a *stage.Column, i int, b *stage.Column, k int) int {
	switch a.Kind {
	case stage.Bytes:
		return bytes.Compare(a.Bytes(i), b.Bytes(k))
	case stage.Decimal128:
		x, y := a.Bytes(i), b.Bytes(k)
		return cmp.Or(cmp.Compare(int8(x[0]), int8(y[0])), bytes.Compare(x, y))
	}
	return cmp.Compare(a.Int(i), b.Int(k))
}

// lookupScan is a scan of a lookup table's newest snapshot.
type lookupScan struct {
	e *Engine
	v catalog.LookupVersion
	s *plan.Scan

	columns []plan.Column
	out     *arrow.Schema
	values  []*stage.Column
}

// newLookupScan begins with the columns that are asked for; rows of which only the number matters have their key.
func (x *execution) newLookupScan(s *plan.Scan) (*lookupScan, error) {
	l := &lookupScan{e: x.e, s: s, columns: s.Columns}
	var ok bool
	if l.v, ok = x.p.names.lookups[s.Relation.Lookup.Name]; !ok {
		return nil, fmt.Errorf("there is no snapshot of lookup table %s", s.Relation.Lookup.Name)
	}
	if len(l.columns) == 0 {
		key, _ := s.Relation.Lookup.Column(s.Relation.Lookup.Key)
		typ, err := cube.ParseType(key.Type)
		if err != nil {
			return nil, err
		}
		l.columns = []plan.Column{{Name: key.Name, Type: typ, Of: key.Name}}
	}
	var fields []arrow.Field
	for _, c := range l.columns {
		fields = append(fields, arrow.Field{Name: c.Name, Type: run.TypeOf(c.Type), Nullable: true})
	}
	l.out = arrow.NewSchema(fields, nil)
	return l, nil
}

// read reads the columns.
func (l *lookupScan) read(ctx context.Context) error {
	var names []string
	for _, c := range l.columns {
		names = append(names, c.Of)
	}
	found, err := l.e.lookups.columns(ctx, l.v, names)
	if err != nil {
		return err
	}
	l.values = nil
	for _, n := range names {
		l.values = append(l.values, found[n])
	}
	return nil
}

func (l *lookupScan) table() duck.Table {
	return duck.Table{Name: l.s.Name, Schema: l.out, Rows: l.v.Rows, Scan: l.scan}
}

// lookupRows is how many rows are handed to DuckDB at once.
const lookupRows = 1 << 14

func (l *lookupScan) scan(ctx context.Context, columns []int) iter.Seq2[arrow.Record, error] {
	return func(yield func(arrow.Record, error) bool) {
		for from := 0; from < int(l.v.Rows); from += lookupRows {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			rec, err := l.record(columns, from, min(from+lookupRows, int(l.v.Rows)))
			if err != nil {
				yield(nil, err)
				return
			}
			more := yield(rec, nil)
			rec.Release()
			if !more {
				return
			}
		}
	}
}

func (l *lookupScan) record(columns []int, from, to int) (arrow.Record, error) {
	arrays, fields := make([]arrow.Array, len(columns)), make([]arrow.Field, len(columns))
	for i, at := range columns {
		f := l.out.Field(at)
		a, err := run.ToArrow(f.Type, slice(l.values[at], from, to))
		if err != nil {
			return nil, err
		}
		defer a.Release()
		arrays[i], fields[i] = a, f
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), arrays, int64(to-from)), nil
}

// slice copies values [from, to) of a column without a dictionary, nulls too.
func slice(c *stage.Column, from, to int) *stage.Column {
	out := &stage.Column{Kind: c.Kind}
	out.AppendFrom(c, from, to)
	for i := from; i < to; i++ {
		if c.IsNull(i) {
			out.SetNull(i - from)
		}
	}
	return out
}
