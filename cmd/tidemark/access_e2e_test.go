//go:build e2e

package main_test

import (
	"context"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/internal/auth"
	"github.com/tidemarkdb/tidemark/internal/testkit"
)

// The clients that people have prove who they are, over TLS, and are refused with a wrong password.
func TestUsersOfClients(t *testing.T) {
	a := newAsked(t, "serve", "--brokers", "127.0.0.1:1")
	m := a.WaitLine(`tidemark serves https://([0-9.:]+), postgres://([0-9.:]+)/default`)
	a.http, a.pg = m[1], m[2]
	var token string
	a.edit(t, func(f *auth.File) (err error) { token, err = f.AddToken("ann", "ci", time.Time{}); return err })
	const python = `import sys, psycopg
print(psycopg.connect(sys.argv[1]).execute("SELECT 'answer', current_user").fetchone())`
	of := func(mode, password string) string {
		return "postgresql://ann:" + password + "@" + a.pg + "/default?sslmode=" + mode + "&sslrootcert=" + a.cert
	}
	for _, c := range []struct {
		want string
		args []string
	}{
		{`answer`, []string{"psql", "-X", of("verify-full", "correct%20horse"), "-c", "SELECT 'answer'"}},
		{`SSL connection|answer`, []string{"psql", "-X", of("require", "correct%20horse"), "-c", `\conninfo`, "-c", "SELECT 'answer'"}},
		{`answer`, []string{"psql", "-X", of("disable", "correct%20horse"), "-c", "SELECT 'answer'"}},
		{`password authentication failed for user "ann"`, []string{"psql", "-X", of("verify-full", "wrong"), "-c", "SELECT 1"}},
		{`no password supplied`, []string{"psql", "-X", "-w", "host=" + host(a.pg) + " port=" + port(a.pg) + " user=ann dbname=default sslmode=require", "-c", "SELECT 1"}},
		{`\('answer', 'ann'\)`, []string{testkit.PGPython(t), "-c", python, of("verify-full", "correct%20horse")}},
		{`password authentication failed`, []string{testkit.PGPython(t), "-c", python, of("verify-full", "wrong")}},
		{`"catalog"`, []string{"curl", "-sS", "--cacert", a.cert, "-u", "ann:" + annsPassword, "https://" + a.http + "/api/v1/version"}},
		{`"unauthorized"`, []string{"curl", "-sS", "--cacert", a.cert, "https://" + a.http + "/api/v1/version"}},
		{`"unauthorized"`, []string{"curl", "-sS", "--cacert", a.cert, "-H", "Authorization: Bearer " + token, "https://" + a.http + "/api/v1/version"}}, // before SIGHUP
		{`"exception"`, []string{"curl", "-sS", "--cacert", a.cert, "-u", "ADMIN:KYLIN", "https://" + a.http + "/kylin/api/projects"}},
		{`"username":"ann"`, []string{"curl", "-sS", "--cacert", a.cert, "-u", "ann:" + annsPassword, "https://" + a.http + "/kylin/api/user/authentication"}},
		{`protocol version|alert`, []string{"curl", "-sS", "--cacert", a.cert, "--tls-max", "1.1", "https://" + a.http + "/healthz"}},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		out, err := exec.CommandContext(ctx, c.args[0], c.args[1:]...).CombinedOutput()
		cancel()
		if !regexp.MustCompile(c.want).Match(out) {
			t.Errorf("%v: %v\n%s\nwant %s", c.args, err, out, c.want)
		}
	}
}
