package builder

import (
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/internal/testkit/catalogtest"
)

// postgresEnv names the server that a part of the suite also runs against.
const postgresEnv = "TIDEMARK_TEST_POSTGRES"

const onPostgres = "TestOnPostgres"

// newDSN makes an empty database: a SQLite file, or below TestOnPostgres one of the server, which the end of the test drops.
// A schema would not do: migrations wait for a lock of the whole database, in virtual time for no time at all.
func newDSN(t testing.TB) string {
	t.Helper()
	if !strings.HasPrefix(t.Name(), onPostgres+"/") {
		return catalogtest.Put(t, filepath.Join(t.TempDir(), "catalog.db"))
	}
	base := os.Getenv(postgresEnv)
	db, err := sql.Open("pgx", base)
	must(t, err)
	name := "test_" + strings.ToLower(rand.Text())
	if _, err := db.Exec("CREATE DATABASE " + name); err != nil {
		t.Fatalf("make database on %s: %v", postgresEnv, err)
	}
	t.Cleanup(func() {
		if _, err := db.Exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("drop database: %v", err)
		}
		must(t, db.Close())
	})
	u, err := url.Parse(base)
	must(t, err)
	u.Path = "/" + name
	return u.String()
}
