package duck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	bindings "github.com/duckdb/duckdb-go-bindings"
)

// Rows are the answer to a statement, which comes while it runs. Close them: they hold a connection. One goroutine at a
// time may use them.
type Rows struct {
	db      *DB
	conn    *conn
	session *session
	stmt    *Statement
	ready   *prepared
	result  *bindings.Result
	schema  *arrow.Schema
	readers []reader
	chunk   bindings.DataChunk
	done    bool
	err     error

	working <-chan struct{} // closed when DuckDB, which was told to stop, has; nil: it works on nothing
	fate    atomic.Int32    // of the connection
}

// Fates of a connection: the first that comes is its.
const (
	inUse = iota
	released
	abandoned // Close did not wait for DuckDB
)

// Query runs a statement over the tables that it reads, with values for its parameters in the order of
// Statement.Params: nil, bool, int64, float64, string, []byte, *big.Int, Decimal or time.Time, which is a TIMESTAMP in
// UTC. When ctx is done the statement stops within milliseconds, also while its Rows are read; where DuckDB does not stop it is abandoned. Errors of DuckDB are an
// *Error, errors of a Table's Scan are what that returned, wrapped.
func (db *DB) Query(ctx context.Context, s *Statement, tables []Table, params ...any) (*Rows, error) {
	r, err := db.open(ctx, s, tables)
	if err != nil {
		return nil, err
	}
	if err := r.start(params); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Describe returns the columns that Query would answer with, without running the statement. A type that depends on a
// parameter is an error.
func (db *DB) Describe(ctx context.Context, s *Statement, tables []Table) (*arrow.Schema, error) {
	schema, _, err := db.Signature(ctx, s, tables)
	return schema, err
}

// Signature is Describe, and the types of Statement.Params as far as DuckDB infers them: SQL's names, "" for the others. They come
// also with an error that says that a column's type depends on a parameter.
func (db *DB) Signature(ctx context.Context, s *Statement, tables []Table) (_ *arrow.Schema, params []string, err error) {
	r, err := db.open(ctx, s, tables)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	for i := range s.Params {
		at, err := r.parameter(i)
		if err != nil {
			return nil, nil, err
		}
		params = append(params, typeNames[bindings.ParamType(r.ready.duck, at)])
	}
	n := int(bindings.PreparedStatementColumnCount(r.ready.duck))
	err = r.columns(n, func(i bindings.IdxT) (string, bindings.LogicalType) {
		return bindings.PreparedStatementColumnName(r.ready.duck, i), bindings.PreparedStatementColumnLogicalType(r.ready.duck, i)
	})
	return r.schema, params, s.locate(err) // with the types of parameters also where those of columns depend on them
}

// typeNames are SQL's names of types that have no parts.
var typeNames = map[bindings.Type]string{
	bindings.TypeBoolean: "BOOLEAN", bindings.TypeTinyInt: "TINYINT", bindings.TypeSmallInt: "SMALLINT", bindings.TypeInteger: "INTEGER",
	bindings.TypeBigInt: "BIGINT", bindings.TypeUTinyInt: "UTINYINT", bindings.TypeUSmallInt: "USMALLINT", bindings.TypeUInteger: "UINTEGER",
	bindings.TypeUBigInt: "UBIGINT", bindings.TypeHugeInt: "HUGEINT", bindings.TypeFloat: "FLOAT", bindings.TypeDouble: "DOUBLE",
	bindings.TypeDecimal: "DECIMAL", bindings.TypeVarchar: "VARCHAR", bindings.TypeBlob: "BLOB", bindings.TypeDate: "DATE", bindings.TypeTime: "TIME",
	bindings.TypeTimestamp: "TIMESTAMP", bindings.TypeTimestampTZ: "TIMESTAMP WITH TIME ZONE", bindings.TypeInterval: "INTERVAL", bindings.TypeUUID: "UUID",
}

// open prepares a statement on a connection of its own.
func (db *DB) open(ctx context.Context, s *Statement, tables []Table) (*Rows, error) {
	if err := s.readable(tables); err != nil {
		return nil, err
	}
	c, err := db.acquire(ctx)
	if err != nil {
		return nil, err
	}
	r := &Rows{db: db, conn: c, stmt: s}
	if r.session, err = c.begin(ctx, tables); err != nil {
		db.release(c, false)
		return nil, err
	}
	if err := r.while(func() (err error) {
		r.ready, err = c.prepare(s.Text)
		return err
	}); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// readable finds each table of the statement among those that are handed in.
func (s *Statement) readable(tables []Table) error {
	names := make([]string, len(tables))
	have := make(map[string]bool, len(tables))
	for i, t := range tables {
		names[i] = t.Name
		have[strings.ToLower(t.Name)] = true
	}
	for _, u := range s.uses {
		name := u.name
		if u.schema != "" {
			name = u.schema + "." + name
		}
		if u.catalog != "" {
			name = u.catalog + "." + name
		}
		if u.schema == "" && u.catalog == "" && have[strings.ToLower(name)] {
			continue
		}
		e := &Error{Kind: KindCatalog, Message: fmt.Sprintf("table %q does not exist", name)}
		if near := nearest(strings.ToLower(name), names); near != "" {
			e.Hint = fmt.Sprintf("did you mean %q?", near)
		}
		return s.locate(e.at(s.Text, u.offset))
	}
	return nil
}

// while runs what DuckDB does for the statement. A done context and an error of a Scan come before DuckDB's own.
func (r *Rows) while(f func() error) (err error) {
	ctx := r.session.ctx
	if err := ctx.Err(); err != nil {
		return err
	}
	var failed error // nobody's but f's while that runs
	if r.working = r.conn.while(ctx, func() { failed = f() }); r.working != nil {
		r.abandon()
		return context.Cause(ctx)
	}
	err = failed
	r.db.check(ctx, r.conn, err)
	switch scan := r.session.failure(); {
	case err == nil:
		return nil
	case scan != nil:
		return scan
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return r.stmt.locate(err)
}

func (r *Rows) start(params []any) error {
	if n := int(bindings.NParams(r.ready.duck)); n != len(params) {
		return &Error{Kind: "parameter", Message: fmt.Sprintf("%d values for %d parameters", len(params), n), Offset: -1}
	}
	for i, v := range params {
		at, err := r.parameter(i)
		if err == nil {
			err = r.ready.bind(at, v)
		}
		if err != nil {
			return err
		}
	}
	err := r.while(func() (err error) {
		r.result, err = r.ready.run(r.stmt.Text, true)
		return err
	})
	if err != nil {
		return err
	}
	return r.columns(int(bindings.ColumnCount(r.result)), func(i bindings.IdxT) (string, bindings.LogicalType) {
		return bindings.ColumnName(r.result, i), bindings.ColumnLogicalType(r.result, i)
	})
}

// parameter is DuckDB's number of the i-th of Statement.Params.
func (r *Rows) parameter(i int) (at bindings.IdxT, err error) {
	name := strconv.Itoa(i + 1)
	if i < len(r.stmt.Params) {
		name = r.stmt.Params[i]
	}
	if bindings.BindParameterIndex(r.ready.duck, &at, name) == bindings.StateError {
		return 0, &Error{Kind: "parameter", Message: fmt.Sprintf("there is no parameter $%s", name), Offset: -1}
	}
	return at, nil
}

func (p *prepared) bind(at bindings.IdxT, v any) error {
	state := bindings.StateError
	switch v := v.(type) {
	case nil:
		state = bindings.BindNull(p.duck, at)
	case bool:
		state = bindings.BindBoolean(p.duck, at, v)
	case int64:
		state = bindings.BindInt64(p.duck, at, v)
	case float64:
		state = bindings.BindDouble(p.duck, at, v)
	case string:
		state = bindings.BindVarcharLength(p.duck, at, v, bindings.IdxT(len(v)))
	case []byte:
		state = bindings.BindBlob(p.duck, at, v)
	case time.Time:
		state = bindings.BindTimestamp(p.duck, at, bindings.NewTimestamp(v.UnixMicro()))
	case *big.Int:
		if v.BitLen() > 126 {
			return &Error{Kind: "out of range", Message: fmt.Sprintf("parameter %d: %s is too large", at, v), Offset: -1}
		}
		state = bindings.BindHugeInt(p.duck, at, hugeInt(v))
	case Decimal:
		const digits = 38
		if v.Scale > digits || len(new(big.Int).Abs(v.Unscaled).String()) > digits {
			return &Error{Kind: "out of range", Message: fmt.Sprintf("parameter %d: %s has more than %d digits", at, v, digits), Offset: -1}
		}
		state = bindings.BindDecimal(p.duck, at, bindings.NewDecimal(digits, uint8(v.Scale), hugeInt(v.Unscaled)))
	default:
		return fmt.Errorf("parameter %d: a %T cannot be one", at, v)
	}
	if state == bindings.StateError {
		return fromDuckDB("", bindings.PrepareError(p.duck))
	}
	return nil
}

func hugeInt(v *big.Int) bindings.HugeInt {
	upper := new(big.Int).Rsh(v, 64)
	lower := new(big.Int).Sub(v, new(big.Int).Lsh(upper, 64))
	return bindings.NewHugeInt(lower.Uint64(), upper.Int64())
}

// columns makes the schema and its readers.
func (r *Rows) columns(n int, column func(bindings.IdxT) (string, bindings.LogicalType)) error {
	fields := make([]arrow.Field, n)
	r.readers = make([]reader, n)
	for i := range n {
		name, typ := column(bindings.IdxT(i))
		var err error
		if bindings.GetTypeId(typ) == bindings.TypeInvalid {
			err = &Error{Kind: "parameter", Message: fmt.Sprintf("the type of column %q depends on a parameter", name), Hint: "cast it", Offset: -1}
		} else {
			r.readers[i], err = newReader(name, typ)
		}
		bindings.DestroyLogicalType(&typ)
		if err != nil {
			return err
		}
		fields[i] = r.readers[i].field
	}
	r.schema = arrow.NewSchema(fields, nil)
	return nil
}

// Schema returns the columns.
func (r *Rows) Schema() *arrow.Schema { return r.schema }

// Next returns some rows, at most 2,048, in their order; io.EOF after the last. The caller releases them.
func (r *Rows) Next() (arrow.Record, error) {
	if r.done {
		if r.err != nil {
			return nil, r.err
		}
		return nil, io.EOF
	}
	rec, err := r.next()
	if err != nil {
		r.done = true
		if !errors.Is(err, io.EOF) {
			r.err = err
		}
	}
	return rec, err
}

func (r *Rows) next() (arrow.Record, error) {
	if err := r.while(func() error {
		r.chunk = bindings.FetchChunk(*r.result)
		if msg := bindings.ResultError(r.result); r.chunk.Ptr == nil && msg != "" {
			return fromDuckDB(r.stmt.Text, msg)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	if r.chunk.Ptr == nil {
		return nil, io.EOF
	}
	chunk := r.chunk
	r.chunk = bindings.DataChunk{}
	defer bindings.DestroyDataChunk(&chunk)
	n := int(bindings.DataChunkGetSize(chunk))
	if n == 0 {
		return nil, io.EOF
	}
	columns := make([]arrow.Array, 0, len(r.readers))
	defer func() {
		for _, c := range columns {
			c.Release()
		}
	}()
	for i, rd := range r.readers {
		c, err := rd.read(bindings.DataChunkGetVector(chunk, bindings.IdxT(i)), n)
		if err != nil {
			return nil, err
		}
		columns = append(columns, c)
	}
	return array.NewRecord(r.schema, columns, int64(n)), nil
}

// Close stops the statement if it still runs, and waits for the Scans of its tables. It may be called again. What DuckDB does not end soon goes
// on without anybody (D8).
func (r *Rows) Close() error {
	c := r.conn
	if c == nil {
		return nil
	}
	complete := r.working == nil && (r.result == nil || r.done && r.err == nil)
	r.conn, r.done = nil, true
	if r.err == nil {
		r.err = errEnded
	}
	r.session.stop()
	if complete {
		return r.giveBack(c, false)
	}
	ended := make(chan error, 1)
	go func() {
		if r.working != nil {
			c.interrupt(r.working, nil)
		}
		ended <- r.giveBack(c, true)
	}()
	if r.fate.Load() == abandoned {
		return nil
	}
	late := time.NewTimer(abandonAfter)
	defer late.Stop()
	select {
	case err := <-ended:
		return err
	case <-late.C:
		r.abandon()
		return nil
	}
}

// giveBack frees what DuckDB has of the statement, and the connection.
func (r *Rows) giveBack(c *conn, running bool) (err error) {
	if r.chunk.Ptr != nil {
		bindings.DestroyDataChunk(&r.chunk)
	}
	if r.result != nil {
		bindings.DestroyResult(r.result)
	}
	r.ready.close()
	if running {
		err = c.exec("SELECT 1") // makes DuckDB forget the statement and what it holds
		r.db.check(context.Background(), c, err)
	}
	c.end(r.session)
	r.db.release(c, !r.fate.CompareAndSwap(inUse, released))
	return err
}

// abandon leaves the statement to DuckDB, unless it has just ended.
func (r *Rows) abandon() {
	if r.fate.CompareAndSwap(inUse, abandoned) {
		r.db.abandon(r.stmt)
	}
}
