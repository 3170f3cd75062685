package dictionary_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tidemarkdb/tidemark/builder/dictionary"
)

// Whatever the bytes are, they are refused, or walked and sought with the same outcome.
func FuzzRead(f *testing.F) {
	root := filepath.Join("testdata", "format", "v1")
	err := filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		f.Add(text, "fig")
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte, v string) {
		text = dictionary.Mend(text)
		values, err := dictionary.Walk(t.Context(), text)
		if err != nil {
			return
		}
		if !slices.IsSorted(values) {
			t.Fatalf("values are not in order: %q", values)
		}
		found, err := dictionary.Seek(t.Context(), text, v)
		if err != nil || found[0] != slices.Contains(values, v) {
			t.Fatalf("%q among %q: found %v, %v", v, values, found, err)
		}
	})
}

func FuzzKey(f *testing.F) {
	f.Add("dictionaries/t1/name/0000000001.e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
	f.Fuzz(func(t *testing.T, key string) {
		k, err := dictionary.ParseKey(key)
		if err == nil && k.Key() != key {
			t.Errorf("%q is read as %+v, which is %q", key, k, k.Key())
		}
	})
}
