package pgwire

import (
	"context"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tidemarkdb/tidemark/internal/server/pgwire/lexer"
)

// simple answers a text of statements, up to the first that fails.
func (x *session) simple(ctx context.Context, sql string) {
	x.closeStatement("")
	x.closePortal("")
	all := lexer.Split(sql)
	if len(all) == 0 {
		x.out.send(&pgproto3.EmptyQueryResponse{})
	}
	for _, s := range all {
		if err := x.one(ctx, s, sql); err != nil {
			x.fail(err)
			return
		}
		if x.out.err != nil {
			return
		}
	}
}

func (x *session) one(ctx context.Context, s lexer.Statement, sent string) error {
	st, err := newStatement(s, sent, nil)
	if err != nil {
		return err
	}
	if err := x.usable(st); err != nil {
		return err
	}
	if len(st.oids) > 0 {
		return &failure{code: "42P02", message: "there is no parameter $1", hint: "a simple query has no parameters"}
	}
	p := &portal{st: st}
	defer func() {
		if !p.ended {
			x.ended(p, p.err)
		}
	}()
	if err := x.launch(ctx, p); err != nil {
		return err
	}
	if p.columns != nil {
		x.out.send(described(p.columns, nil))
	}
	return x.fetch(ctx, p, 0)
}
