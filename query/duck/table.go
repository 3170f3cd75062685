package duck

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"
	bindings "github.com/duckdb/duckdb-go-bindings"
)

// Table is handed to a statement, which reads it by its name. Names that DuckDB's own views have are refused.
type Table struct {
	Name   string
	Schema *arrow.Schema
	// Scan gives the rows with these columns of Schema, in that order. Where only the number of rows matters DuckDB asks for
	// the first column; with no columns, records with a number of rows are enough.
	// It runs in a goroutine of its own, once for each time that the statement reads the table, and must stop when ctx is
	// done. Records are retained for as long as they are needed. An error ends the statement and is what Rows returns; a panic
	// does so as a *PanicError.
	Scan func(ctx context.Context, columns []int) iter.Seq2[arrow.Record, error]
	// Rows is about how many there will be. From 65,536 on they are read by several threads, in no order.
	Rows int64
}

const (
	parallelRows = 65_536
	// aheadRecords are kept of a scan that is faster than the statement, for each thread.
	aheadRecords = 1
)

// session is a statement that runs on a connection, and what it may read.
type session struct {
	ctx    context.Context // of the Query, done at the latest when its Rows are closed
	cancel context.CancelFunc
	db     *DB
	tables map[string]*handed
	scans  sync.WaitGroup

	mu     sync.Mutex
	ended  bool
	begun  []*scan
	failed error // the first that a Scan returned
}

// handed is a Table within a session.
type handed struct {
	Table
	session *session
	types   []bindings.LogicalType
	fillers []filler
}

// begin lets a connection read these tables until end.
func (c *conn) begin(ctx context.Context, tables []Table) (*session, error) {
	e := c.engine
	s := &session{db: e.db, tables: make(map[string]*handed, len(tables))}
	for _, t := range tables {
		name := strings.ToLower(t.Name)
		if e.taken[name] || s.tables[name] != nil || name == "" || isFile(name) {
			s.free()
			return nil, fmt.Errorf("table %q: its name cannot be used", t.Name)
		}
		h := &handed{Table: t, session: s}
		s.tables[name] = h
		for _, f := range t.Schema.Fields() {
			typ, fill, err := logicalType(f)
			if err != nil {
				s.free()
				return nil, fmt.Errorf("table %q: column %q: %w", t.Name, f.Name, err)
			}
			h.types, h.fillers = append(h.types, typ), append(h.fillers, fill)
		}
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sessions[c.id] = s
	return s, nil
}

// stop ends the Scans and gives back what they were ahead of the statement. After it none runs, whatever DuckDB does.
func (s *session) stop() {
	s.cancel()
	s.mu.Lock()
	s.ended = true
	begun := s.begun
	s.begun = nil
	s.mu.Unlock()
	s.scans.Wait()
	for _, scan := range begun {
		for rec := range scan.records {
			rec.Release()
		}
	}
}

// end takes the tables away, which DuckDB does not read any more.
func (c *conn) end(s *session) {
	s.stop()
	c.engine.mu.Lock()
	delete(c.engine.sessions, c.id)
	c.engine.mu.Unlock()
	s.free()
}

func (s *session) free() {
	for _, t := range s.tables {
		for i := range t.types {
			bindings.DestroyLogicalType(&t.types[i])
		}
		t.types = nil
	}
}

// session returns what runs on a connection, nil if nothing that reads tables does.
func (e *engine) session(id uint64) *session {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sessions[id]
}

func (s *session) table(name string) (*handed, error) {
	if s != nil {
		if t := s.tables[strings.ToLower(name)]; t != nil {
			return t, nil
		}
	}
	return nil, fmt.Errorf("table %q does not exist", name)
}

// fail notes what went wrong in a Scan: DuckDB would pass on the text only.
func (s *session) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = err
	}
}

func (s *session) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// scan is one reading of a table.
type scan struct {
	table   *handed
	columns []int // that are read
	output  []int // for each vector of a chunk the column of the records, or -1
	threads int
	records chan arrow.Record
	err     error // read after records is closed
}

// cursor is where a thread is in its record.
type cursor struct {
	record arrow.Record
	at     int
}

func (c *cursor) release() {
	if c.record != nil {
		c.record.Release()
		c.record = nil
	}
}

var errEnded = errors.New("the statement has ended")

// scan begins to read the columns that the statement needs. Ids beyond all columns are DuckDB's own, for rows without a
// value: they need no column.
func (t *handed) scan(ids []uint64) (*scan, error) {
	s := &scan{table: t, threads: 1, columns: []int{}, output: make([]int, len(ids))}
	for i, id := range ids {
		if s.output[i] = -1; id < uint64(len(t.types)) {
			s.output[i] = len(s.columns)
			s.columns = append(s.columns, int(id))
		}
	}
	if t.Rows >= parallelRows {
		s.threads = t.session.db.opts.Threads
	}
	s.records = make(chan arrow.Record, s.threads*aheadRecords)
	t.session.mu.Lock()
	defer t.session.mu.Unlock()
	if t.session.ended {
		return nil, errEnded
	}
	t.session.begun = append(t.session.begun, s)
	t.session.scans.Go(s.run)
	return s, nil
}

func (s *scan) run() {
	defer close(s.records)
	defer func() {
		if err := caught(recover(), s.table.session); err != nil {
			s.err = err
		}
	}()
	ctx := s.table.session.ctx
	for rec, err := range s.table.Scan(ctx, s.columns) {
		if err == nil && int(rec.NumCols()) != len(s.columns) {
			err = fmt.Errorf("a record with %d columns, want %d", rec.NumCols(), len(s.columns))
		}
		if err != nil {
			s.err = fmt.Errorf("read table %q: %w", s.table.Name, err)
			s.table.session.fail(s.err)
			return
		}
		rec.Retain()
		select {
		case s.records <- rec:
		case <-ctx.Done():
			rec.Release()
			return
		}
	}
}

// fill gives DuckDB the next rows, none at the end.
func (s *scan) fill(c *cursor, chunk bindings.DataChunk) error {
	for c.record == nil || c.at == int(c.record.NumRows()) {
		c.release()
		select {
		case rec, ok := <-s.records:
			if !ok {
				bindings.DataChunkSetSize(chunk, 0)
				if s.err == nil {
					return s.table.session.ctx.Err()
				}
				return s.err
			}
			c.record, c.at = rec, 0
		case <-s.table.session.ctx.Done():
			return s.table.session.ctx.Err()
		}
	}
	n := min(int(c.record.NumRows())-c.at, int(bindings.VectorSize()))
	for i, column := range s.output {
		if column < 0 {
			continue
		}
		vec := bindings.DataChunkGetVector(chunk, bindings.IdxT(i))
		if err := s.table.fillers[s.columns[column]](vec, c.record.Column(column), c.at, n); err != nil {
			return err
		}
	}
	bindings.DataChunkSetSize(chunk, bindings.IdxT(n))
	c.at += n
	return nil
}
