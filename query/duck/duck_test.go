package duck

import (
	"errors"
	"math/big"
	"os"
	"strings"
	"testing"
)

// open starts a DuckDB for a test.
func open(t testing.TB) *DB {
	t.Helper()
	db, err := Open(Options{MaxConns: 4, MemoryBytes: 256 << 20, TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// statements are those of testdata, one a line.
func statements(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/statements.sql")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

func parse(t testing.TB, db *DB, sql string) *Statement {
	t.Helper()
	s, err := db.Parse(t.Context(), sql)
	if err != nil {
		t.Fatalf("parse %s: %v", sql, err)
	}
	return s
}

// asError returns err as an *Error, which it must be.
func asError(t testing.TB, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error", err)
	}
	return e
}

func bigInt(s string) *big.Int {
	n, ok := new(big.Int).SetString(s, 10)
	if !ok {
		panic(s)
	}
	return n
}
