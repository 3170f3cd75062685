package pgwire_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tidemarkdb/tidemark/internal/auth"
	"github.com/tidemarkdb/tidemark/internal/server/pgwire"
	"github.com/tidemarkdb/tidemark/internal/testkit"
)

const annsPassword = "correct horse é"

// asking has a world ask for users, and speak TLS; ca is what signed its certificate.
func asking(t *testing.T, o auth.Options) (w *world, ca string) {
	t.Helper()
	o.File = filepath.Join(t.TempDir(), "users.yaml")
	must(t, auth.Edit(o.File, func(f *auth.File) error { return f.Add("ann", annsPassword, false) }))
	g, err := auth.Open(o)
	must(t, err)
	cert, key := testkit.Certificate(t)
	certs, err := auth.OpenCertificates(cert, key)
	must(t, err)
	return newWorld(t, func(o *pgwire.Options) { o.Auth, o.TLS = g, certs.Config("postgresql") }), cert
}

// as connects as somebody and closes again.
func (w *world) as(user, password, more string) (over *tls.ConnectionState, err error) {
	cfg, err := pgx.ParseConfig("postgres://" + w.address + "/default?" + more)
	must(w.t, err)
	cfg.User, cfg.Password = user, password
	c, err := pgx.ConnectConfig(w.t.Context(), cfg)
	if err != nil {
		return nil, err
	}
	var n int
	must(w.t, c.QueryRow(w.t.Context(), "SELECT 7").Scan(&n))
	if conn, ok := c.PgConn().Conn().(*tls.Conn); ok {
		s := conn.ConnectionState()
		over = &s
	}
	return over, c.Close(w.t.Context())
}

// W8: a real client proves its password, over TLS and without.
func TestPasswords(t *testing.T) {
	w, ca := asking(t, auth.Options{})
	for _, c := range []struct{ user, password, more, want string }{
		{"ann", annsPassword, "sslmode=disable", ""}, // over loopback
		{"ann", annsPassword, "sslmode=prefer", ""},
		{"ann", annsPassword, "sslmode=require", ""},
		{"ann", annsPassword, "sslmode=verify-full&sslrootcert=" + ca, ""},
		{"ann", "cafe", "sslmode=require", "28P01"},
		{"bob", annsPassword, "sslmode=disable", "28P01"},
		{"ann", "", "sslmode=disable", "28P01"},
		{"bob", annsPassword, "sslmode=disable&database=nowhere", "28P01"}, // strangers are not told which projects there are
		{"ann", annsPassword, "sslmode=disable&database=nowhere", "3D000"},
	} {
		over, err := w.as(c.user, c.password, c.more)
		if (c.want == "") != (err == nil) || c.want != "" && code(err) != c.want {
			t.Errorf("%s %q %s: got %v, want %q", c.user, c.password, c.more, err, c.want)
		}
		if err == nil && (over == nil) != strings.Contains(c.more, "disable") && !strings.Contains(c.more, "prefer") {
			t.Errorf("%s: over TLS: %t", c.more, over != nil)
		}
		if over != nil && over.Version < tls.VersionTLS12 {
			t.Errorf("TLS %x", over.Version)
		}
	}
	other, _ := testkit.Certificate(t)
	if _, err := w.as("ann", annsPassword, "sslmode=verify-full&sslrootcert="+other); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate that nobody signed: %v", err)
	}
}

func TestGuessesAreLimited(t *testing.T) {
	w, _ := asking(t, auth.Options{UserBurst: 2, UserEvery: time.Hour})
	for i, want := range []string{"28P01", "28P01", "53300"} {
		if _, err := w.as("ann", "wrong guess", "sslmode=disable"); code(err) != want {
			t.Errorf("guess %d: got %v, want %s", i, err, want)
		}
	}
}

// A client that does not prove anything gets nothing, whatever it sends.
func TestUnproven(t *testing.T) {
	w, _ := asking(t, auth.Options{})
	start := &pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "ann"}}
	for what, send := range map[string][]pgproto3.FrontendMessage{
		"a query":               {start, &pgproto3.Query{String: "SELECT 1"}},
		"a password":            {start, &pgproto3.PasswordMessage{Password: annsPassword}},
		"another mechanism":     {start, &pgproto3.SASLInitialResponse{AuthMechanism: "SCRAM-SHA-256-PLUS", Data: []byte("p=tls-unique,,n=,r=x")}},
		"no nonce":              {start, &pgproto3.SASLInitialResponse{AuthMechanism: "SCRAM-SHA-256", Data: []byte("n,,n=")}},
		"a second first":        {start, first(), first()},
		"a query in the middle": {start, first(), &pgproto3.Query{String: "SELECT 1"}},
		"a long proof":          {start, first(), &pgproto3.SASLResponse{Data: make([]byte, 20<<10)}},
		"another's proof":       {start, first(), &pgproto3.SASLResponse{Data: []byte("c=biws,r=mine,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")}},
	} {
		conn, err := net.Dial("tcp", w.address)
		must(t, err)
		f := pgproto3.NewFrontend(conn, conn)
		for _, m := range send {
			f.Send(m)
		}
		must(t, f.Flush())
		for {
			m, err := f.Receive()
			if err != nil {
				if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
					t.Errorf("%s: %v", what, err)
				}
				break
			}
			switch m := m.(type) {
			case *pgproto3.AuthenticationOk, *pgproto3.ReadyForQuery, *pgproto3.DataRow, *pgproto3.ParameterStatus:
				t.Errorf("W8: %s is answered with %T", what, m)
			}
		}
		must(t, conn.Close())
	}
}

func first() *pgproto3.SASLInitialResponse {
	return &pgproto3.SASLInitialResponse{AuthMechanism: auth.Mechanism, Data: []byte("n,,n=,r=mine")}
}

// elsewhere is a port whose clients come from another machine.
type elsewhere struct{ net.Listener }

type fromElsewhere struct{ net.Conn }

func (l elsewhere) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return fromElsewhere{c}, err
}

func (fromElsewhere) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1} }

// W8: from another machine nothing is said in the clear.
func TestOnlyTLSFromElsewhere(t *testing.T) {
	w, _ := asking(t, auth.Options{})
	ln, err := pgwire.Listen(t.Context(), "127.0.0.1:0", true)
	must(t, err)
	w.address = ln.Addr().String()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.server.Run(ctx, elsewhere{ln}, time.Second) }()
	for mode, want := range map[string]string{"disable": "28000", "require": ""} {
		if _, err := w.as("ann", annsPassword, "sslmode="+mode); code(err) != want {
			t.Errorf("sslmode=%s: got %v, want %q", mode, err, want)
		}
	}
	stop()
	must(t, <-ended)
}

// What comes ahead of the handshake, in the clear, is no part of the session: the handshake fails by it.
func TestNothingAheadOfTLS(t *testing.T) {
	w, _ := asking(t, auth.Options{})
	conn, err := net.Dial("tcp", w.address)
	must(t, err)
	defer conn.Close()
	ask, err := (&pgproto3.SSLRequest{}).Encode(nil)
	must(t, err)
	ahead, err := (&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "ann"}}).Encode(nil)
	must(t, err)
	_, err = conn.Write(append(ask, ahead...))
	must(t, err)
	answer := make([]byte, 1)
	_, err = io.ReadFull(conn, answer)
	must(t, err)
	if answer[0] != 'S' {
		t.Fatalf("TLS is answered with %q", answer)
	}
	if err := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).Handshake(); err == nil {
		t.Error("the handshake went on behind a message in the clear")
	}
}
