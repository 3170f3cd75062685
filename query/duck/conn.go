package duck

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	bindings "github.com/duckdb/duckdb-go-bindings"
)

const (
	// interruptEvery is how often a statement is told to stop until it does: DuckDB forgets it where a statement begins.
	interruptEvery = 5 * time.Millisecond
	// abandonAfter is how long a statement that was told to stop is waited for. DuckDB looks whether it is to stop between chunks of 2,048
	// rows only: an expression over long texts may take minutes for one.
	abandonAfter = 250 * time.Millisecond
)

// conn is a connection to DuckDB, which runs one statement at a time.
type conn struct {
	engine *engine
	duck   bindings.Connection
	id     uint64
	// Prepared once: text to JSON and back.
	serialize, deserialize *prepared
}

func (e *engine) connect() (*conn, error) {
	c := &conn{engine: e}
	if bindings.Connect(e.duck, &c.duck) == bindings.StateError {
		return nil, errors.New("connect to duckdb: refused")
	}
	var ctx bindings.ClientContext
	bindings.ConnectionGetClientContext(c.duck, &ctx)
	c.id = uint64(bindings.ClientContextGetConnectionId(ctx))
	bindings.DestroyClientContext(&ctx)
	var err1, err2 error
	c.serialize, err1 = c.prepare("SELECT json_serialize_sql($1::VARCHAR)")
	c.deserialize, err2 = c.prepare("SELECT json_deserialize_sql($1::JSON)")
	if err := errors.Join(err1, err2); err != nil {
		c.disconnect()
		return nil, fmt.Errorf("connect to duckdb: %w", err)
	}
	return c, nil
}

func (c *conn) disconnect() {
	c.serialize.close()
	c.deserialize.close()
	bindings.Disconnect(&c.duck)
}

// while runs f and interrupts what DuckDB does in it once ctx is done. Where that does not help within abandonAfter it returns a channel that is
// closed when f has ended; else nil.
func (c *conn) while(ctx context.Context, f func()) (working <-chan struct{}) {
	done := make(chan struct{})
	var fault *PanicError
	go func() {
		defer close(done)
		defer func() {
			if v := recover(); v != nil {
				fault = &PanicError{v, debug.Stack()}
			}
		}()
		f()
	}()
	select {
	case <-done:
	case <-ctx.Done():
		late := time.NewTimer(abandonAfter)
		defer late.Stop()
		if !c.interrupt(done, late.C) {
			return done
		}
	}
	if fault != nil {
		panic(fmt.Sprintf("%v\n%s", fault.Value, fault.Stack))
	}
	return nil
}

// interrupt tells DuckDB to stop until done is closed, or late says that it is enough: then it returns false.
func (c *conn) interrupt(done <-chan struct{}, late <-chan time.Time) bool {
	tick := time.NewTicker(interruptEvery)
	defer tick.Stop()
	for {
		bindings.Interrupt(c.duck)
		select {
		case <-done:
			return true
		case <-late:
			return false
		case <-tick.C:
		}
	}
}

// prepared is a statement that is ready to run.
type prepared struct{ duck bindings.PreparedStatement }

func (c *conn) prepare(sql string) (*prepared, error) {
	p := new(prepared)
	if bindings.Prepare(c.duck, sql, &p.duck) == bindings.StateError {
		err := fromDuckDB(sql, bindings.PrepareError(p.duck))
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *prepared) close() {
	if p != nil {
		bindings.DestroyPrepare(&p.duck)
	}
}

// run executes with the parameters that are bound. With stream the rows come as they are made.
func (p *prepared) run(text string, stream bool) (*bindings.Result, error) {
	var pending bindings.PendingResult
	start := bindings.PendingPrepared
	if stream {
		start = bindings.PendingPreparedStreaming
	}
	defer bindings.DestroyPending(&pending)
	if start(p.duck, &pending) == bindings.StateError {
		return nil, fromDuckDB(text, bindings.PendingError(pending))
	}
	res := new(bindings.Result)
	if bindings.ExecutePending(pending, res) == bindings.StateError {
		err := fromDuckDB(text, bindings.ResultError(res))
		bindings.DestroyResult(res)
		return nil, err
	}
	return res, nil
}

// scalar runs with one text as parameter and returns the one text that comes out.
func (p *prepared) scalar(arg string) (string, error) {
	if bindings.BindVarcharLength(p.duck, 1, arg, bindings.IdxT(len(arg))) == bindings.StateError {
		return "", fromDuckDB("", bindings.PrepareError(p.duck))
	}
	res, err := p.run("", false)
	if err != nil {
		return "", err
	}
	defer bindings.DestroyResult(res)
	all, err := texts(res)
	if err != nil || len(all) != 1 {
		return "", errors.Join(err, fmt.Errorf("%d rows, want 1", len(all)))
	}
	return all[0], nil
}

// exec runs a statement of ours.
func (c *conn) exec(sql string) error {
	_, err := c.column(sql)
	return err
}

// column runs a statement of ours and returns its only column, which is text.
func (c *conn) column(sql string) ([]string, error) {
	var res bindings.Result
	defer bindings.DestroyResult(&res)
	if bindings.Query(c.duck, sql, &res) == bindings.StateError {
		return nil, fromDuckDB(sql, bindings.ResultError(&res))
	}
	return texts(&res)
}

// texts reads the first column of a result, if it is text; nulls are left out.
func texts(res *bindings.Result) ([]string, error) {
	var out []string
	for {
		chunk := bindings.FetchChunk(*res)
		if chunk.Ptr == nil {
			return out, nil
		}
		n := int(bindings.DataChunkGetSize(chunk))
		if n > 0 && bindings.ColumnType(res, 0) == bindings.TypeVarchar {
			vec := bindings.DataChunkGetVector(chunk, 0)
			data, valid := vectorStrings(vec, n), vectorValid(vec, n)
			for i := range n {
				if valid.at(i) {
					out = append(out, data[i].text())
				}
			}
		}
		bindings.DestroyDataChunk(&chunk)
	}
}
