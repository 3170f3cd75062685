package pgwire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// What became of a connection.
const (
	stateOpened    = "opened"
	stateRefused   = "refused"
	stateCancelled = "cancel" // it only brought a request to cancel
	stateBroken    = "broken"
)

// maxStarts is how many messages may come before a session starts: encryption asked for, TLS asked for, start.
const maxStarts = 3

// start reads who asks and for what, and answers. A session is only there with stateOpened.
func (x *session) start(ctx context.Context) (state string, err error) {
	late := time.AfterFunc(x.srv.opts.StartTimeout, func() { x.conn.Close() })
	defer late.Stop()
	m, err := x.b.ReceiveStartupMessage()
	if err != nil {
		return stateBroken, err
	}
	switch m := m.(type) {
	case *pgproto3.CancelRequest:
		x.srv.cancel(m.ProcessID, m.SecretKey)
		return stateCancelled, nil
	case *pgproto3.StartupMessage:
		err := x.open(ctx, m)
		if isEOF(err) { // psql leaves to ask for a password
			return stateBroken, err
		}
		if err != nil {
			x.fail(err)
			return stateRefused, errors.Join(err, x.out.flush())
		}
		if err := x.out.flush(); err != nil {
			x.srv.leave(x)
			return stateBroken, err
		}
		return stateOpened, nil
	}
	return stateBroken, errors.New("no start message")
}

// open begins the session that a client asks for.
func (x *session) open(ctx context.Context, m *pgproto3.StartupMessage) error {
	x.negotiate(m)
	x.names = names{user: m.Parameters["user"], database: m.Parameters["database"]}
	if x.names.user == "" {
		return &failure{severity: fatal, code: "28000", message: "no user was named"}
	}
	if x.srv.exposed(x.conn) {
		return &failure{severity: fatal, code: "28000", message: "from another machine TLS is wanted", hint: "connect with sslmode=require, or verify-full"}
	}
	if err := x.authenticate(x.names.user); err != nil {
		if isEOF(err) {
			return err
		}
		return fatally(err)
	}
	if x.names.database == "" {
		x.names.database = x.names.user
	}
	projects, err := x.srv.projects(ctx)
	if err != nil {
		return fatally(err)
	}
	switch {
	case slices.Contains(projects, x.names.database):
		x.names.project = x.names.database
	case slices.Contains([]string{"tidemark", "postgres"}, x.names.database), m.Parameters["database"] == "":
		x.names.project = "default"
	default:
		return &failure{
			severity: fatal, code: "3D000", message: fmt.Sprintf("there is no project %q", x.names.database),
			hint: "projects: " + strings.Join(projects, ", "),
		}
	}
	if err := x.given(m.Parameters); err != nil {
		return fatally(err)
	}
	if err := x.srv.enter(x); err != nil {
		return fatally(err)
	}
	x.out.send(&pgproto3.AuthenticationOk{})
	for _, name := range reported {
		x.out.send(&pgproto3.ParameterStatus{Name: name, Value: x.shown(name)})
	}
	x.out.send(&pgproto3.BackendKeyData{ProcessID: x.pid, SecretKey: x.secret})
	x.ready()
	return nil
}

// negotiate answers a client that speaks a newer protocol, or asks for parts of it.
func (x *session) negotiate(m *pgproto3.StartupMessage) {
	var options []string
	for name := range m.Parameters {
		if strings.HasPrefix(name, "_pq_.") {
			options = append(options, name)
		}
	}
	if m.ProtocolVersion == pgproto3.ProtocolVersion30 && options == nil {
		return
	}
	slices.Sort(options)
	x.out.send(&pgproto3.NegotiateProtocolVersion{NewestMinorProtocol: pgproto3.ProtocolVersion30, UnrecognizedOptions: options})
}

// given sets what a start message says of settings.
func (x *session) given(params map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		switch {
		case name == "user", name == "database", name == "replication", strings.HasPrefix(name, "_pq_."):
		case name == "options":
			if err := x.options(params[name]); err != nil {
				return err
			}
		default:
			if err := x.set.start(name, params[name]); err != nil {
				return err
			}
		}
	}
	if r := params["replication"]; r != "" && r != "false" && r != "off" && r != "0" {
		return &failure{code: "0A000", message: "replication is not spoken here"}
	}
	return nil
}

// options reads -c name=value and --name=value.
func (x *session) options(text string) error {
	fields := strings.Fields(text)
	for i := 0; i < len(fields); i++ {
		f := fields[i]
		switch {
		case f == "-c" && i+1 < len(fields):
			i++
			f = fields[i]
		case strings.HasPrefix(f, "--"):
			f = f[2:]
		case strings.HasPrefix(f, "-c"):
			f = f[2:]
		default:
			return &failure{code: "42601", message: fmt.Sprintf("options: %q is not understood", f), hint: "write -c name=value"}
		}
		name, value, ok := strings.Cut(f, "=")
		if !ok {
			return &failure{code: "42601", message: fmt.Sprintf("options: %q has no value", f), hint: "write -c name=value"}
		}
		if err := x.set.start(strings.ReplaceAll(name, "-", "_"), value); err != nil {
			return err
		}
	}
	return nil
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
