package pgwire

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tidemarkdb/tidemark/internal/server/pgwire/lexer"
)

// settingName reads the name of a setting from token i on: a.b, TIME ZONE, TRANSACTION ISOLATION LEVEL, SESSION AUTHORIZATION.
func (st *statement) settingName(i int) string {
	switch t := st.at(i); {
	case t.Is("time") && st.at(i+1).Is("zone"):
		return "timezone"
	case t.Is("transaction") && st.at(i+1).Is("isolation"):
		return "transaction_isolation"
	case t.Is("session") && st.at(i+1).Is("authorization"):
		return "session_authorization"
	}
	name := st.at(i).Value
	for ; st.at(i + 1).Is("."); i += 2 {
		name += "." + st.at(i+2).Value
	}
	return name
}

// setCommand reads SET.
func (x *session) setCommand(_ context.Context, st *statement) (result, error) {
	done := result{tag: "SET"}
	i := 1
	if st.at(i).Is("session") && st.at(i+1).Is("characteristics") {
		return done, nil
	}
	if st.at(i).Is("local") || st.at(i).Is("session") && !st.at(i+1).Is("authorization") {
		i++
	}
	switch t := st.at(i); {
	case t.Is("transaction"), t.Is("constraints"):
		return done, nil
	case t.Is("time") && st.at(i+1).Is("zone"):
		return done, x.assign("timezone", st.settingValue(i+2))
	case t.Is("session"), t.Is("role"):
		return done, nil // there are no users
	case t.Is("names"):
		return done, x.assign("client_encoding", st.settingValue(i+1))
	}
	name := st.settingName(i)
	for i++; st.at(i).Is("."); i += 2 {
	}
	if name == "" || !st.at(i).Is("=") && !st.at(i).Is("to") {
		return result{}, &failure{code: "42601", message: "SET is not understood", hint: "write SET name = value"}
	}
	if st.at(i + 1).Is("default") {
		return done, x.unset(name)
	}
	if i+1 >= len(st.Tokens) {
		return result{}, &failure{code: "42601", message: fmt.Sprintf("SET %s: no value", oneLine(name)), hint: "write SET name = value"}
	}
	return done, x.assign(name, st.settingValue(i+1))
}

// settingValue joins the tokens from i on; those of a list are apart by commas.
func (st *statement) settingValue(i int) string {
	var b strings.Builder
	for k, t := range st.Tokens[min(i, len(st.Tokens)):] {
		switch {
		case t.Is(","):
			b.WriteString(", ")
		case t.Kind == lexer.Name && len(st.Tokens) > i+1:
			b.WriteString(`"` + t.Value + `"`)
		case t.Kind == lexer.Word: // in the case in which it was written
			b.WriteString(st.Text[t.From:t.To])
		default:
			b.WriteString(t.Value)
		}
		_ = k
	}
	return b.String()
}

// assign sets a value, and tells the client if it is one that clients are told.
func (x *session) assign(name, value string) error {
	if err := x.set.put(name, value); err != nil {
		return err
	}
	if strings.EqualFold(name, "timezone") && !slices.Contains([]string{"utc", "etc/utc", "gmt", "default", "local", "0", "z"}, strings.ToLower(value)) {
		x.note(warning, codeWarning, fmt.Sprintf("times stay in UTC, not %s", oneLine(value)), "", "write ts AT TIME ZONE 'UTC' AT TIME ZONE 'Europe/Berlin'")
	}
	x.report(name)
	return nil
}

func (x *session) unset(name string) error {
	if err := x.set.reset(name); err != nil {
		return err
	}
	x.report(name)
	return nil
}

// report tells the value of a setting that clients follow.
func (x *session) report(name string) {
	for _, r := range reported {
		if strings.EqualFold(r, name) {
			x.out.send(&pgproto3.ParameterStatus{Name: r, Value: x.shown(r)})
		}
	}
}

func (x *session) reset(_ context.Context, st *statement) (result, error) {
	name := st.settingName(1)
	if name == "all" || name == "session_authorization" || name == "role" {
		name = ""
	}
	if _, ok := x.set.get(name); !ok && name != "" {
		return result{}, unknownSetting(name)
	}
	if err := x.unset(name); err != nil {
		return result{}, err
	}
	if name == "" {
		for _, r := range reported {
			x.report(r)
		}
	}
	return result{tag: "RESET"}, nil
}

func unknownSetting(name string) error {
	return &failure{code: "42704", message: fmt.Sprintf("unrecognized configuration parameter %q", oneLine(name))}
}

func (x *session) show(_ context.Context, st *statement) (result, error) {
	name := st.settingName(1)
	if name == "all" {
		var lines [][]string
		for _, n := range slices.Sorted(maps.Keys(known)) {
			lines = append(lines, []string{n, x.shown(n), known[n].what})
		}
		return result{rows: texts([]string{"name", "setting", "description"}, lines...), tag: "SHOW"}, nil
	}
	if _, ok := x.set.get(name); !ok {
		return result{}, unknownSetting(name)
	}
	return result{rows: texts([]string{name}, []string{x.shown(name)}), tag: "SHOW"}, nil
}
