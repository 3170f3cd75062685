package pgwire

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tidemarkdb/tidemark/internal/server/pgwire/lexer"
	"github.com/tidemarkdb/tidemark/internal/server/pgwire/pgcatalog"
)

// statement is one that may be run: a query, or what sets up a session.
type statement struct {
	lexer.Statement
	sent   string // the text that it was part of, in which errors have their place
	params []int  // numbers of its parameters, as DuckDB has them
	oids   []uint32
	types  map[string]string // of the parameters whose type is known, by number

	asked   bool // its parameters and columns are known
	columns []column
	rows    bool // it answers with rows
}

// maxParams is the highest number of a parameter that the protocol can bind.
const maxParams = 65_535

// newStatement reads a statement; oids are the types that the client gave its parameters, 0 where it did not.
func newStatement(s lexer.Statement, sent string, oids []uint32) (*statement, error) {
	st := &statement{Statement: s, sent: sent, params: s.Params(), types: map[string]string{}}
	n := len(oids)
	if len(st.params) > 0 {
		n = max(n, st.params[len(st.params)-1])
	}
	if n > maxParams || slices.Contains(st.params, 0) {
		return nil, &failure{code: "42P02", message: fmt.Sprintf("there is no parameter $%d", n)}
	}
	st.oids = make([]uint32, n)
	copy(st.oids, oids)
	st.lists()
	for i, oid := range st.oids {
		switch {
		case oid == 0 || oid == pgtype.UnknownOID:
			st.oids[i] = 0
		case elements[oid] != 0:
			if t := sqlTypes[elements[oid]]; t == "" {
				return nil, unsupported("parameter $%d: arrays of type %d", i+1, elements[oid])
			}
			st.types[strconv.Itoa(i+1)] = sqlTypes[elements[oid]] + "[]"
		case sqlTypes[oid] == "":
			return nil, unsupported("parameter $%d: type %d", i+1, oid)
		default:
			st.types[strconv.Itoa(i+1)] = sqlTypes[oid]
		}
	}
	return st, nil
}

// lists makes parameters without a type arrays where only an array may stand: $1::BIGINT[], and = ANY($1), which is one of text.
func (st *statement) lists() {
	for i, t := range st.Tokens {
		if t.Kind == lexer.Param && st.at(i+1).Is("::") && st.at(i+3).Is("[") {
			if n, err := strconv.Atoi(t.Value); err == nil && st.oids[n-1] == 0 {
				st.oids[n-1] = pgcatalog.TypeOID(st.at(i+2).Value + "[]")
			}
		}
		if !(t.Is("any") || t.Is("all") || t.Is("some")) || !st.at(i+1).Is("(") || st.at(i+2).Kind != lexer.Param || !st.at(i+3).Is(")") {
			continue
		}
		n, err := strconv.Atoi(st.at(i + 2).Value)
		if err == nil && (st.oids[n-1] == 0 || st.oids[n-1] == pgtype.UnknownOID) {
			st.oids[n-1] = pgtype.TextArrayOID
		}
	}
}

// size is what a statement holds of a session's memory.
func (st *statement) size() int64 {
	return int64(2*len(st.sent) + 64*len(st.Tokens) + 16*len(st.oids) + 512)
}

// verb is the first word of the statement.
func (st *statement) verb() string {
	if len(st.Tokens) > 0 && st.Tokens[0].Kind == lexer.Word {
		return st.Tokens[0].Value
	}
	return ""
}

// at returns a token, or an empty one beyond the last.
func (st *statement) at(i int) lexer.Token {
	if i < len(st.Tokens) {
		return st.Tokens[i]
	}
	return lexer.Token{Kind: lexer.Sign, From: len(st.Text), To: len(st.Text)}
}

// locate gives an error its place in what the client sent.
func (st *statement) locate(err error) error {
	if err == nil {
		return nil
	}
	return located(err, st.sent, st.From)
}

// describe finds out what a statement takes and answers with, once.
func (x *session) describe(ctx context.Context, st *statement) error {
	if st.asked {
		return nil
	}
	columns, rows, err := x.shape(ctx, st)
	if err != nil {
		return st.locate(err)
	}
	st.columns, st.rows, st.asked = columns, rows, true
	for i := range st.oids {
		if st.oids[i] == 0 {
			st.oids[i] = pgtype.TextOID
		}
	}
	return nil
}

// values reads the parameters of a Bind in the order in which DuckDB has them.
func (x *session) values(ctx context.Context, st *statement, raw [][]byte, formats []int16) ([]any, error) {
	if len(raw) != len(st.oids) {
		return nil, &failure{code: "08P01", message: fmt.Sprintf("%d values for a statement with %d parameters", len(raw), len(st.oids))}
	}
	if err := checkFormats(formats, len(raw), "parameters"); err != nil {
		return nil, err
	}
	for i := range raw {
		if formatAt(formats, i) == formatBinary && st.oids[i] == 0 {
			if err := x.describe(ctx, st); err != nil { // the client knows the type, and we must
				return nil, err
			}
		}
	}
	var out []any
	for _, no := range st.params {
		v, err := valueOf(no, raw[no-1], st.oids[no-1], formatAt(formats, no-1))
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}
