package catalogtest_test

import (
	"bytes"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/internal/testkit/catalogtest"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// L1.
func TestPutIsANewCatalog(t *testing.T) {
	dir := t.TempDir()
	open := func(path string) (id, dump string) {
		t.Helper()
		c, err := catalog.Open(t.Context(), path, catalog.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := c.Dump(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		return c.ID(), b.String()
	}
	id, got := open(catalogtest.Put(t, filepath.Join(dir, "put.db")))
	other, _ := open(catalogtest.Put(t, filepath.Join(dir, "other.db")))
	made, want := open(filepath.Join(dir, "made.db"))
	if id == "" || id == other || id == made {
		t.Errorf("ids %q, %q and %q, want three", id, other, made)
	}
	varying := regexp.MustCompile(id + "|" + made + `|\d{16}`) // ids and times
	if diff := cmp.Diff(varying.ReplaceAllString(want, "x"), varying.ReplaceAllString(got, "x")); diff != "" {
		t.Errorf("a catalog that was put is not a new one (-new +put):\n%s", diff)
	}
}
