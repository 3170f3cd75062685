package pgwire

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tidemarkdb/tidemark/internal/server/pgwire/lexer"
)

// extended answers a message of the extended protocol. After an error all is skipped up to Sync.
func (x *session) extended(ctx context.Context, m pgproto3.FrontendMessage) error {
	switch m := m.(type) {
	case *pgproto3.Parse:
		return x.parse(m)
	case *pgproto3.Bind:
		return x.bind(ctx, m)
	case *pgproto3.Describe:
		return x.describeMessage(ctx, m)
	case *pgproto3.Execute:
		return x.execute(ctx, m)
	case *pgproto3.Close:
		if m.ObjectType == 'S' {
			x.closeStatement(m.Name)
		} else {
			x.closePortal(m.Name)
		}
		x.out.send(&pgproto3.CloseComplete{})
		return nil
	case *pgproto3.FunctionCall:
		x.skip = false
		return unsupported("function calls by number are not spoken here")
	}
	return &failure{code: "08P01", message: fmt.Sprintf("a message %T is not expected here", m)}
}

func (x *session) parse(m *pgproto3.Parse) error {
	if m.Name != "" && x.statements[m.Name] != nil {
		return &failure{code: "42P05", message: fmt.Sprintf("prepared statement %q already exists", oneLine(m.Name))}
	}
	all := lexer.Split(m.Query)
	if len(all) > 1 {
		return &failure{code: "42601", message: "cannot insert multiple commands into a prepared statement"}
	}
	var one lexer.Statement
	if len(all) == 1 {
		one = all[0]
	}
	st, err := newStatement(one, m.Query, m.ParameterOIDs)
	if err != nil {
		return err
	}
	x.closeStatement(m.Name)
	if err := x.hold(st.size(), len(x.statements)); err != nil {
		return err
	}
	x.statements[m.Name] = st
	x.out.send(&pgproto3.ParseComplete{})
	return nil
}

// hold takes room for a statement or a portal beside n others (W6).
func (x *session) hold(bytes int64, n int) error {
	o := &x.srv.opts
	if n >= o.Statements {
		return &failure{code: "54000", message: fmt.Sprintf("the session has %d statements or portals, at most %d", n, o.Statements), hint: "close some"}
	}
	if x.held+bytes > o.SessionBytes {
		return &failure{
			code: "54000", message: fmt.Sprintf("statements and portals of the session have %d bytes and want %d more, at most %d", x.held, bytes, o.SessionBytes), hint: "close some",
		}
	}
	x.held += bytes
	return nil
}

func (x *session) closeStatement(name string) {
	if st := x.statements[name]; st != nil {
		x.held -= st.size()
		delete(x.statements, name)
	}
}

func (x *session) closePortal(name string) {
	if p := x.portals[name]; p != nil {
		x.ended(p, p.err)
		x.held -= p.size
		delete(x.portals, name)
	}
}

func (x *session) bind(ctx context.Context, m *pgproto3.Bind) error {
	st := x.statements[m.PreparedStatement]
	if st == nil {
		return noStatement(m.PreparedStatement)
	}
	if m.DestinationPortal != "" && x.portals[m.DestinationPortal] != nil {
		return &failure{code: "42P03", message: fmt.Sprintf("portal %q already exists", oneLine(m.DestinationPortal))}
	}
	if err := x.usable(st); err != nil {
		return err
	}
	x.closePortal(m.DestinationPortal)
	p := &portal{st: st, formats: m.ResultFormatCodes, size: 512}
	for _, v := range m.Parameters {
		p.size += int64(2*len(v) + 64)
	}
	if err := x.hold(p.size, len(x.portals)); err != nil {
		return err
	}
	x.portals[m.DestinationPortal] = p
	var err error
	if p.values, err = x.values(ctx, st, m.Parameters, m.ParameterFormatCodes); err != nil {
		x.closePortal(m.DestinationPortal)
		return err
	}
	x.out.send(&pgproto3.BindComplete{})
	return nil
}

func noStatement(name string) error {
	return &failure{code: "26000", message: fmt.Sprintf("prepared statement %q does not exist", oneLine(name))}
}

func noPortal(name string) error {
	return &failure{code: "34000", message: fmt.Sprintf("portal %q does not exist", oneLine(name))}
}

// describeMessage tells types. Of a statement they are found without running it; a portal is started, so that its columns are
// those of its answer.
func (x *session) describeMessage(ctx context.Context, m *pgproto3.Describe) error {
	if m.ObjectType == 'S' {
		st := x.statements[m.Name]
		if st == nil {
			return noStatement(m.Name)
		}
		if err := x.usable(st); err != nil {
			return err
		}
		if err := x.describe(ctx, st); err != nil {
			return err
		}
		x.out.send(&pgproto3.ParameterDescription{ParameterOIDs: st.oids})
		x.columns(st.rows, st.columns, nil)
		return nil
	}
	p := x.portals[m.Name]
	if p == nil {
		return noPortal(m.Name)
	}
	if x.effect(p.st) { // it changes the session: that waits for Execute
		x.out.send(&pgproto3.NoData{})
		return nil
	}
	if err := x.begin(ctx, p); err != nil {
		return err
	}
	x.columns(p.columns != nil, p.columns, p.formats)
	return nil
}

// begin starts a portal, whose columns must be those that its statement was described with.
func (x *session) begin(ctx context.Context, p *portal) error {
	if p.open || p.err != nil {
		return p.err
	}
	if err := x.launch(ctx, p); err != nil {
		return err
	}
	if p.err = p.agree(); p.err != nil {
		x.ended(p, p.err)
	}
	return p.err
}

func (x *session) columns(rows bool, columns []column, formats []int16) {
	if !rows {
		x.out.send(&pgproto3.NoData{})
		return
	}
	x.out.send(described(columns, formats))
}

func (x *session) execute(ctx context.Context, m *pgproto3.Execute) error {
	p := x.portals[m.Portal]
	if p == nil {
		return noPortal(m.Portal)
	}
	if err := x.usable(p.st); err != nil {
		return err
	}
	if len(p.st.Tokens) == 0 {
		x.out.send(&pgproto3.EmptyQueryResponse{})
		return nil
	}
	if err := x.begin(ctx, p); err != nil {
		return err
	}
	return x.fetch(ctx, p, int64(m.MaxRows))
}

// usable refuses what comes in a transaction that has failed.
func (x *session) usable(st *statement) error {
	if x.tx != 'E' || len(st.Tokens) == 0 {
		return nil
	}
	switch st.verb() {
	case "rollback", "commit", "abort", "end":
		return nil
	}
	return &failure{code: "25P02", message: "current transaction is aborted, commands ignored until end of transaction block"}
}
