package pgwire

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tidemarkdb/tidemark/internal/server/pgwire/lexer"
)

var errEnd = io.EOF

func itoa(n int) string { return strconv.Itoa(n) }

// commandOf returns what runs a statement that is no query, by its first word; nil: it is one.
func commandOf(verb string) func(*session, context.Context, *statement) (result, error) {
	switch verb {
	case "begin", "start":
		return (*session).beginTx
	case "commit", "end":
		return (*session).endTx
	case "rollback", "abort":
		return (*session).rollback
	case "savepoint", "release":
		return (*session).savepoint
	case "set":
		return (*session).setCommand
	case "show":
		return (*session).show
	case "reset":
		return (*session).reset
	case "discard":
		return (*session).discard
	case "deallocate":
		return (*session).deallocate
	case "listen", "unlisten":
		return (*session).listen
	case "fetch", "move":
		return (*session).fetchCursor
	case "close":
		return (*session).closeCursor
	case "explain":
		return (*session).explain
	}
	return nil
}

// writes are the first words of what would change something (W7).
var writes = []string{
	"insert", "update", "delete", "merge", "create", "drop", "alter", "truncate", "grant", "revoke", "vacuum", "analyze", "comment", "refresh", "reindex",
	"cluster", "lock", "notify", "import", "call", "do", "checkpoint", "reassign", "security",
}

// command runs what is no query; ok is false for a query.
func (x *session) command(ctx context.Context, st *statement) (r result, ok bool, err error) {
	verb := st.verb()
	if do := commandOf(verb); do != nil {
		if len(st.params) > 0 {
			return r, true, &failure{code: "42601", message: strings.ToUpper(verb) + " takes no parameters"}
		}
		r, err = do(x, ctx, st)
		if r.kind == "" {
			r.kind = kindSession
		}
		return r, true, err
	}
	switch {
	case slices.Contains(writes, verb):
		return r, true, &failure{
			code: "25006", message: fmt.Sprintf("cannot execute %s in a read-only transaction", strings.ToUpper(verb)),
			hint: "tables get their rows from Kafka; tables and cubes are made by tidemark table apply and tidemark cube apply",
		}
	case verb == "copy":
		return r, true, unsupported("COPY is not spoken here: ask with SELECT")
	case verb == "prepare" || verb == "execute":
		return r, true, unsupported("%s is not spoken here: prepare by the extended protocol", strings.ToUpper(verb))
	}
	return r, false, nil
}

// effect reports whether a statement changes the session.
func (x *session) effect(st *statement) bool {
	verb := st.verb()
	return verb == "declare" || commandOf(verb) != nil && !slices.Contains([]string{"show", "explain", "fetch"}, verb)
}

// commandShape says which columns a command answers with, nil for none; ok is false for a query.
func (x *session) commandShape(st *statement) (s *arrow.Schema, ok bool) {
	switch st.verb() {
	case "show":
		name := st.settingName(1)
		if name == "all" {
			return textSchema("name", "setting", "description"), true
		}
		return textSchema(name), true
	case "explain":
		return textSchema(planColumn), true
	}
	if len(st.Tokens) == 0 {
		return nil, true
	}
	if st.verb() == "fetch" {
		if _, name, err := st.direction(); err == nil && x.portals[name] != nil {
			return x.portals[name].schema, true
		}
	}
	return nil, x.effect(st) || slices.Contains(writes, st.verb())
}

func (x *session) beginTx(_ context.Context, st *statement) (result, error) {
	tag := "BEGIN"
	if st.verb() == "start" {
		tag = "START TRANSACTION"
	}
	if x.tx != 'I' {
		x.note(warning, "25001", "there is already a transaction in progress")
		return result{tag: tag}, nil
	}
	x.tx = 'T'
	return result{tag: tag}, nil
}

func (x *session) endTx(context.Context, *statement) (result, error) {
	tag := "COMMIT"
	switch x.tx {
	case 'E':
		tag = "ROLLBACK"
	case 'I':
		x.note(warning, "25P01", "there is no transaction in progress")
	}
	x.leaveTx()
	return result{tag: tag}, nil
}

func (x *session) rollback(_ context.Context, st *statement) (result, error) {
	if slices.ContainsFunc(st.Tokens, func(t lexer.Token) bool { return t.Is("to") }) {
		if x.tx == 'I' {
			return result{}, &failure{code: "25P01", message: "ROLLBACK TO SAVEPOINT can only be used in transaction blocks"}
		}
		x.tx = 'T'
		return result{tag: "ROLLBACK"}, nil
	}
	if x.tx == 'I' {
		x.note(warning, "25P01", "there is no transaction in progress")
	}
	x.leaveTx()
	return result{tag: "ROLLBACK"}, nil
}

// leaveTx ends a transaction, and its cursors with it. The portal that runs the command itself stays until its end.
func (x *session) leaveTx() {
	x.tx = 'I'
	for name, p := range x.portals {
		if p.open {
			x.closePortal(name)
		}
	}
}

func (x *session) savepoint(_ context.Context, st *statement) (result, error) {
	verb := strings.ToUpper(st.verb())
	if x.tx == 'I' {
		return result{}, &failure{code: "25P01", message: verb + " can only be used in transaction blocks"}
	}
	return result{tag: verb}, nil
}

func (x *session) listen(_ context.Context, st *statement) (result, error) {
	return result{tag: strings.ToUpper(st.verb())}, nil // nobody ever notifies
}

func (x *session) deallocate(_ context.Context, st *statement) (result, error) {
	i := 1
	if st.at(i).Is("prepare") {
		i++
	}
	name := st.at(i)
	if name.Kind == lexer.Word && name.Value == "all" {
		for n := range x.statements {
			x.closeStatement(n)
		}
		return result{tag: "DEALLOCATE ALL"}, nil
	}
	if x.statements[name.Value] == nil {
		return result{}, noStatement(name.Value)
	}
	x.closeStatement(name.Value)
	return result{tag: "DEALLOCATE"}, nil
}

func (x *session) discard(_ context.Context, st *statement) (result, error) {
	what := st.at(1)
	if !slices.Contains([]string{"all", "plans", "sequences", "temp", "temporary"}, what.Value) {
		return result{}, &failure{code: "42601", message: "DISCARD: want ALL, PLANS, SEQUENCES or TEMP"}
	}
	if what.Is("all") {
		if x.tx != 'I' {
			return result{}, &failure{code: "25001", message: "DISCARD ALL cannot run inside a transaction block"}
		}
		for n := range x.statements {
			x.closeStatement(n)
		}
		x.leaveTx()
		if err := x.set.reset(""); err != nil {
			return result{}, err
		}
	}
	return result{tag: "DISCARD " + strings.ToUpper(what.Value)}, nil
}
