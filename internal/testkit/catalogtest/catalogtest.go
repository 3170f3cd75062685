package catalogtest

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// migrated is the file of a catalog that has no id yet.
var migrated = sync.OnceValues(func() (file []byte, err error) {
	dir, err := os.MkdirTemp("", "catalog-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "catalog.db")
	c, err := catalog.Open(context.Background(), path, catalog.Options{})
	if err != nil {
		return nil, err
	}
	if err := c.Close(); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", path) // the driver that package catalog has
	if err != nil {
		return nil, err
	}
	_, err = db.Exec("DELETE FROM catalog") // the row of its id
	if err := errors.Join(err, db.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// Put writes an empty catalog to a path where nothing is, and returns the path.
func Put(t testing.TB, path string) string {
	t.Helper()
	file, err := migrated()
	if err != nil {
		t.Fatalf("migrate a catalog: %v", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(file)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}
