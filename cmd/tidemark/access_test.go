package main_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tidemarkdb/tidemark/internal/auth"
	"github.com/tidemarkdb/tidemark/internal/testkit"
)

const annsPassword = "correct horse"

// asked is a tidemark that asks who is there, over TLS.
type asked struct {
	*testkit.Process
	data, users, cert, http, pg string
}

// newAsked starts one with user ann.
func newAsked(t *testing.T, command ...string) *asked {
	t.Helper()
	dir := t.TempDir()
	a := &asked{data: filepath.Join(dir, "data"), users: filepath.Join(dir, "users.yaml")}
	a.edit(t, func(f *auth.File) error { return f.Add("ann", annsPassword, false) })
	var key string
	a.cert, key = testkit.Certificate(t)
	a.Process = testkit.Start(t, testkit.Command{Args: append(command, "--data", a.data, "--http", "127.0.0.1:0", "--auth-file", a.users, "--tls-cert", a.cert, "--tls-key", key)})
	return a
}

func (a *asked) edit(t *testing.T, change func(*auth.File) error) {
	t.Helper()
	if err := auth.Edit(a.users, change); err != nil {
		t.Fatal(err)
	}
}

// trusting speaks TLS with who has a certificate.
func trusting(t *testing.T, cert string) *http.Transport {
	t.Helper()
	pem, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
}

// get asks by HTTP as somebody.
func (a *asked) get(ctx context.Context, t *testing.T, path, user, password string) (int, error) {
	t.Helper()
	tr := trusting(t, a.cert)
	defer tr.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+a.http+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		r.SetBasicAuth(user, password)
	}
	resp, err := (&http.Client{Transport: tr}).Do(r)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// sql asks by the PostgreSQL wire as somebody.
func (a *asked) sql(ctx context.Context, user, password string) error {
	cfg, err := pgx.ParseConfig("postgres://" + a.pg + "/default?sslmode=verify-full&sslrootcert=" + a.cert)
	if err != nil {
		return err
	}
	cfg.User, cfg.Password = user, password
	c, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, "SELECT 1")
	return errors.Join(err, c.Close(ctx))
}

// Every door asks; commands on the data folder have what they need; SIGHUP takes up another user.
func TestUsers(t *testing.T) {
	a := newAsked(t, "serve", "--brokers", "127.0.0.1:1")
	m := a.WaitLine(`tidemark serves https://([0-9.:]+), postgres://([0-9.:]+)/default`)
	a.http, a.pg = m[1], m[2]
	for _, c := range []struct {
		path, user, password string
		want                 int
	}{
		{"/healthz", "", "", 200},
		{"/readyz", "", "", 200},
		{"/metrics", "", "", 401},
		{"/metrics", "ann", annsPassword, 200},
		{"/api/v1/tables", "ann", annsPassword, 200},
		{"/api/v1/tables", "ann", "wrong guess", 401},
		{"/kylin/api/projects", "ADMIN", "KYLIN", 401},
		{"/kylin/api/projects", "ann", annsPassword, 200},
		{"/kylin/api/user/authentication", "ann", annsPassword, 200},
		{"/kylin/api/user/authentication", "ann", "wrong guess", 401},
	} {
		if got, err := a.get(t.Context(), t, c.path, c.user, c.password); err != nil || got != c.want {
			t.Errorf("%s as %q: got %d, %v; want %d", c.path, c.user, got, err, c.want)
		}
	}
	if err := a.sql(t.Context(), "ann", annsPassword); err != nil {
		t.Errorf("ann by SQL: %v", err)
	}
	if err := a.sql(t.Context(), "ann", "wrong guess"); err == nil || !strings.Contains(err.Error(), "28P01") {
		t.Errorf("a wrong password by SQL: %v", err)
	}
	a.commands(t)

	a.edit(t, func(f *auth.File) error { return f.Add("bob", "another one", false) })
	a.Signal(syscall.SIGHUP)
	a.WaitLine("users, certificates and the level of the log were read again")
	if got, err := a.get(t.Context(), t, "/api/v1/tables", "bob", "another one"); err != nil || got != 200 {
		t.Errorf("bob after the reload: %d, %v", got, err)
	}
	if err := os.WriteFile(a.users, []byte("users: 7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a.Signal(syscall.SIGHUP)
	a.WaitLine("not all was read again: the rest stays as it was")
	if got, err := a.get(t.Context(), t, "/api/v1/tables", "bob", "another one"); err != nil || got != 200 {
		t.Errorf("bob after a reload of a broken file: %d, %v", got, err)
	}

	a.Signal(syscall.SIGTERM)
	if code := a.Wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Stat(filepath.Join(a.data, "token")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the token is left behind: %v", err)
	}
}

// commands asks by the program itself.
func (a *asked) commands(t *testing.T) {
	info, err := os.Stat(filepath.Join(a.data, "token"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the token of the data folder: %v, %v; want mode 0600", info, err)
	}
	other, _ := testkit.Certificate(t)
	server := []string{"--server", "https://" + a.http}
	for _, c := range []struct {
		args []string
		env  []string
		code int
		want string
	}{
		{[]string{"--data", a.data}, nil, 0, "no tables"},
		{append(server, "--ca", a.cert, "--user", "ann"), []string{"TIDEMARK_PASSWORD=" + annsPassword}, 0, "no tables"},
		{append(server, "--ca", a.cert, "--user", "ann"), []string{"TIDEMARK_PASSWORD=wrong guess"}, 1, "the user name, the password or the token is wrong"},
		{append(server, "--ca", a.cert), []string{"TIDEMARK_TOKEN=tdm_GUESS"}, 1, "the user name, the password or the token is wrong"},
		{append(server, "--ca", a.cert), nil, 1, "say who you are"},
		{append(server, "--ca", a.cert, "--user", "ann"), nil, 2, "--user and TIDEMARK_PASSWORD belong together"},
		{append(server, "--ca", other, "--user", "ann"), []string{"TIDEMARK_PASSWORD=" + annsPassword}, 1, "with --ca FILE"},
		{append(server, "--ca", a.cert, "--user", "ann"), []string{"TIDEMARK_PASSWORD=x", "TIDEMARK_TOKEN=y"}, 2, "token excludes user and password"},
		{[]string{"--server", "http://192.0.2.1:7070", "--user", "ann"}, []string{"TIDEMARK_PASSWORD=" + annsPassword}, 2, "Ask by https://"},
	} {
		_, all, code := testkit.Run(t, testkit.Command{Args: append([]string{"table", "list"}, c.args...), Env: c.env})
		if code != c.code || !strings.Contains(all, c.want) && c.code != 0 {
			t.Errorf("table list %v %v: code %d\n%s\nwant %d with %q", c.args, c.env, code, all, c.code, c.want)
		}
	}
}

// Other addresses than loopback are refused with what to do, and open with users and TLS.
func TestAddresses(t *testing.T) {
	cert, key := testkit.Certificate(t)
	users := filepath.Join(t.TempDir(), "users.yaml")
	if err := auth.Edit(users, func(f *auth.File) error { return f.Add("ann", annsPassword, false) }); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ args, want string }{
		{"--http 0.0.0.0:0", `http address "0.0.0.0:0" is refused(.|\n)*tidemark user add NAME --auth-file`},
		{"--http 0.0.0.0:0 --auth-file " + users, `http address "0.0.0.0:0" is refused(.|\n)*--tls-cert cert.pem`},
		{fmt.Sprintf("--http 0.0.0.0:0 --tls-cert %s --tls-key %s", cert, key), `http address "0.0.0.0:0" is refused`},
		{"--http 127.0.0.1:0 --pg 0.0.0.0:0", `postgres address "0.0.0.0:0" is refused`},
		{"--tls-cert " + cert, "tls.cert and tls.key belong together"},
		{"--auth-file " + users + ".nowhere", "no such file.*tidemark user add NAME --auth-file"},
	} {
		p := testkit.Start(t, testkit.Command{Args: append([]string{"serve", "--data", "d", "--brokers", "127.0.0.1:1"}, strings.Fields(c.args)...)})
		if code := p.Wait(); code == 0 {
			t.Errorf("%s: exit code 0", c.args)
		}
		p.WaitLine(strings.ReplaceAll(c.want, `(.|\n)*`, ".*"))
	}
	p := testkit.Start(t, testkit.Command{Args: []string{
		"serve", "--data", "d", "--brokers", "127.0.0.1:1", "--http", "0.0.0.0:0", "--pg", "0.0.0.0:0", "--auth-file", users, "--tls-cert", cert, "--tls-key", key,
	}})
	p.WaitLine(`tidemark serves https://\S+:[0-9]+, postgres://\S+:[0-9]+/default`)
}
