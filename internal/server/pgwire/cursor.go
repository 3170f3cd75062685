package pgwire

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tidemarkdb/tidemark/internal/server/pgwire/lexer"
)

// declare opens a cursor: a portal with a name, which FETCH reads onwards.
func (x *session) declare(ctx context.Context, st *statement, values []any) (result, error) {
	name := st.at(1).Value
	i := 2
	for ; i < len(st.Tokens) && !st.at(i).Is("for"); i++ {
		if st.at(i).Is("scroll") && !st.at(i-1).Is("no") {
			return result{}, unsupported("a cursor goes onwards only: leave SCROLL out")
		}
	}
	if i+1 >= len(st.Tokens) {
		return result{}, &failure{code: "42601", message: "DECLARE is not understood", hint: "write DECLARE name CURSOR FOR SELECT ..."}
	}
	if x.tx == 'I' {
		return result{}, &failure{code: "25P01", message: "DECLARE CURSOR can only be used in transaction blocks"}
	}
	if x.portals[name] != nil {
		return result{}, &failure{code: "42P03", message: fmt.Sprintf("cursor %q already exists", oneLine(name))}
	}
	from := st.at(i + 1).From
	of := lexer.Split(st.Text[from:])
	inner, err := newStatement(of[0], st.sent, st.oids)
	if err != nil {
		return result{}, err
	}
	inner.From += st.From + from
	p := &portal{st: inner, values: values, size: inner.size()}
	if err := x.hold(p.size, len(x.portals)); err != nil {
		return result{}, err
	}
	x.portals[name] = p
	if err := x.launch(ctx, p); err != nil {
		x.closePortal(name)
		return result{}, err
	}
	return result{tag: "DECLARE CURSOR", kind: kindSession}, nil
}

// fetchCursor reads rows of a cursor, and MOVE passes over them.
func (x *session) fetchCursor(_ context.Context, st *statement) (result, error) {
	most, name, err := st.direction()
	if err != nil {
		return result{}, err
	}
	p := x.portals[name]
	if p == nil || p.columns == nil {
		return result{}, &failure{code: "34000", message: fmt.Sprintf("cursor %q does not exist", oneLine(name))}
	}
	c := &cursorRows{p: p, left: most}
	if st.verb() == "fetch" {
		return result{rows: c, tag: "FETCH", count: true}, nil
	}
	n := int64(0)
	for {
		rec, err := c.Next()
		if err == errEnd {
			return result{tag: "MOVE " + strconv.FormatInt(n, 10)}, nil
		}
		if err != nil {
			return result{}, err
		}
		n += rec.NumRows()
		rec.Release()
	}
}

// direction reads NEXT, FORWARD, ALL and a number, then the name of the cursor.
func (st *statement) direction() (most int64, name string, err error) {
	most = 1
	i := 1
	for ; i < len(st.Tokens)-1; i++ {
		switch t := st.at(i); {
		case t.Is("next"), t.Is("from"), t.Is("in"), t.Is("forward"):
		case t.Is("all"):
			most = math.MaxInt64
		case t.Kind == lexer.Number:
			if most, err = strconv.ParseInt(t.Value, 10, 64); err != nil {
				return 0, "", &failure{code: "42601", message: fmt.Sprintf("%s %s: want a whole number", strings.ToUpper(st.verb()), t.Value)}
			}
		default:
			return 0, "", unsupported("%s %s: a cursor goes onwards only", strings.ToUpper(st.verb()), strings.ToUpper(t.Value))
		}
	}
	return most, st.at(i).Value, nil
}

func (x *session) closeCursor(_ context.Context, st *statement) (result, error) {
	name := st.at(1)
	if name.Is("all") {
		for n, p := range x.portals {
			if p.open {
				x.closePortal(n)
			}
		}
		return result{tag: "CLOSE CURSOR ALL"}, nil
	}
	if x.portals[name.Value] == nil {
		return result{}, &failure{code: "34000", message: fmt.Sprintf("cursor %q does not exist", oneLine(name.Value))}
	}
	x.closePortal(name.Value)
	return result{tag: "CLOSE CURSOR"}, nil
}

// cursorRows are the next rows of a portal.
type cursorRows struct {
	p    *portal
	left int64
}

// Schema returns the columns.
func (c *cursorRows) Schema() *arrow.Schema { return c.p.schema }

// Next returns rows up to what is left.
func (c *cursorRows) Next() (arrow.Record, error) {
	p := c.p
	if c.left <= 0 || p.ended {
		return nil, errEnd
	}
	if p.rec == nil {
		rec, err := p.result.rows.Next()
		if err != nil {
			return nil, err
		}
		p.rec, p.next = rec, 0
	}
	to := min(p.rec.NumRows(), int64(p.next)+c.left)
	out := p.rec.NewSlice(int64(p.next), to)
	c.left -= to - int64(p.next)
	if p.next = int(to); to == p.rec.NumRows() {
		p.rec.Release()
		p.rec = nil
	}
	return out, nil
}

// Close leaves the cursor open.
func (c *cursorRows) Close() error { return nil }
