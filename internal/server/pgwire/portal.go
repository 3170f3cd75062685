package pgwire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
)

// rows are an answer that comes bit by bit.
type rows interface {
	Schema() *arrow.Schema
	// Next returns some; io.EOF after the last. The caller releases them.
	Next() (arrow.Record, error)
	Close() error
}

// result is what running a statement gives.
type result struct {
	rows  rows   // nil: none
	tag   string // of CommandComplete
	count bool   // the tag ends with the number of rows
	kind  string // who answers, for metrics
	tell  func() // sends notices that belong to the answer; may be nil
}

// portal is a statement with its parameters, and how far its answer was read.
type portal struct {
	st      *statement
	values  []any
	formats []int16
	size    int64

	open    bool
	cancel  context.CancelCauseFunc
	result  result
	schema  *arrow.Schema
	columns []column
	rec     arrow.Record // the rows at hand
	next    int          // of rec
	sent    int64        // rows so far
	ended   bool         // all was sent
	err     error
}

// launch begins to run a portal. Its first error stays.
func (x *session) launch(ctx context.Context, p *portal) error {
	if p.open || p.err != nil {
		return p.err
	}
	outer := ctx
	ctx, p.cancel = context.WithCancelCause(ctx)
	if limit := x.set.timeout(); limit > 0 {
		var free context.CancelFunc
		ctx, free = context.WithTimeoutCause(ctx, limit, errTooLong)
		cancel := p.cancel
		p.cancel = func(why error) { free(); cancel(why) }
	}
	p.err = x.while(p.cancel, func() error {
		var r result
		var err error
		if p.st.verb() == "declare" { // the statement's context ends with it, the cursor's does not
			r, err = x.declare(outer, p.st, p.values)
		} else {
			r, err = x.perform(ctx, p.st, p.values)
		}
		if err != nil {
			return p.st.locate(causeOf(ctx, err))
		}
		p.result, p.open = r, true
		if r.rows != nil {
			p.schema = r.rows.Schema()
			p.columns = columnsOf(p.schema)
			p.joinCursor()
			return checkFormats(p.formats, len(p.columns), "columns")
		}
		return nil
	})
	if p.err != nil {
		x.ended(p, p.err)
	}
	return p.err
}

// joinCursor has what cancels a FETCH cancel the cursor that it reads.
func (p *portal) joinCursor() {
	c, ok := p.result.rows.(*cursorRows)
	if !ok {
		return
	}
	own := p.cancel
	p.cancel = func(why error) {
		if own(why); why != nil && c.p.cancel != nil {
			c.p.cancel(why)
		}
	}
}

// causeOf prefers why a statement was ended to that it was.
func causeOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// ended closes what a portal holds, and counts how it ended.
func (x *session) ended(p *portal, err error) {
	if p.rec != nil {
		p.rec.Release()
		p.rec = nil
	}
	if p.result.rows != nil {
		if cerr := p.result.rows.Close(); err == nil {
			err = cerr
		}
		p.result.rows = nil
	}
	if p.cancel != nil {
		p.cancel(nil)
		p.cancel = nil
		state := "done"
		if err != nil {
			state = "failed"
		}
		kind := p.result.kind
		if kind == "" {
			kind = "none"
		}
		x.srv.m.statements.WithLabelValues(kind, state).Inc()
	}
	p.ended = true
}

// fetch sends up to most rows, all with 0, and what follows them.
func (x *session) fetch(ctx context.Context, p *portal, most int64) error {
	if err := x.launch(ctx, p); err != nil {
		return err
	}
	if p.result.rows == nil && !p.ended {
		if p.result.tell != nil {
			p.result.tell()
		}
		x.complete(p, 0)
		x.ended(p, nil)
		return nil
	}
	from := p.sent
	if !p.ended {
		err := x.while(p.cancel, func() error { return x.sendRows(p, most) })
		if errors.Is(err, io.EOF) {
			if p.result.tell != nil {
				p.result.tell()
			}
			x.ended(p, nil)
		} else if err != nil {
			p.err = p.st.locate(err)
			x.ended(p, p.err)
			return p.err
		}
	}
	if !p.ended {
		x.out.send(&pgproto3.PortalSuspended{})
		return nil
	}
	x.complete(p, p.sent-from)
	return nil
}

// complete says that a statement has ended.
func (x *session) complete(p *portal, count int64) {
	tag := p.result.tag
	if p.result.count {
		tag += " " + strconv.FormatInt(count, 10)
	}
	x.out.send(&pgproto3.CommandComplete{CommandTag: []byte(tag)})
}

// sendRows sends up to most rows; io.EOF after the last.
func (x *session) sendRows(p *portal, most int64) error {
	for n := int64(0); most == 0 || n < most; {
		if p.rec == nil {
			rec, err := p.result.rows.Next()
			if err != nil {
				return err
			}
			p.rec, p.next = rec, 0
		}
		for ; p.next < int(p.rec.NumRows()) && (most == 0 || n < most); p.next++ {
			if err := x.sendRow(p); err != nil {
				return err
			}
			n++
		}
		if p.next == int(p.rec.NumRows()) {
			p.rec.Release()
			p.rec = nil
		}
	}
	return nil
}

func (x *session) sendRow(p *portal) error {
	at := x.out.row(len(p.columns))
	for i, a := range p.rec.Columns() {
		var err error
		if x.out.buf, err = appendValue(x.out.buf, a, p.next, p.columns[i].oid, formatAt(p.formats, i)); err != nil {
			x.out.buf = x.out.buf[:at]
			return err
		}
	}
	x.out.endRow(at)
	p.sent++
	x.srv.m.rows.Inc()
	return x.out.err
}

// agree makes the columns of an answer those that were described before its values were known (W5).
func (p *portal) agree() error {
	if !p.st.asked {
		return nil
	}
	if len(p.columns) != len(p.st.columns) {
		return changed("%d columns, %d were described", len(p.columns), len(p.st.columns))
	}
	for i, c := range p.st.columns {
		if got := p.columns[i].oid; got != c.oid && !becomes(got, c.oid) {
			return changed("column %q is of type %d, %d was described", c.name, got, c.oid)
		}
		p.columns[i] = c
	}
	return nil
}

func changed(format string, args ...any) error {
	return &failure{code: "0A000", message: "cached plan must not change result type", detail: fmt.Sprintf(format, args...), hint: "cast it, or give the parameters types"}
}

// becomes reports whether the values of a type can be sent as another.
func becomes(from, to uint32) bool {
	rank := map[uint32]int{pgtype.Int2OID: 1, pgtype.Int4OID: 2, pgtype.Int8OID: 3, pgtype.NumericOID: 4}
	a, b := rank[from], rank[to]
	return to == pgtype.TextOID && elements[from] == 0 || a > 0 && a < b
}
