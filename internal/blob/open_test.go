package blob_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/internal/blob"
)

func TestOpenStoreRefuses(t *testing.T) {
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	t.Setenv("AWS_ENDPOINT_URL", "")
	t.Setenv("AWS_ENDPOINT_URL_S3", "")
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	for address, want := range map[string][]string{
		"":                                       {"empty", "s3://bucket/prefix"},
		"gs://bucket/x":                          {"gs:// is not supported"},
		"https://host/bucket":                    {"https:// is not supported", "endpoint="},
		"s3://":                                  {"bucket"},
		"s3:///prefix?region=r":                  {"bucket"},
		"s3://b/a/../b?region=r":                 {"prefix"},
		"s3://b/p":                               {"region", "AWS_REGION"},
		"s3://key:hidden@b/p?region=r":           {"access keys do not belong"},
		"s3://b/p?regoin=r&path_style=maybe":     {`"regoin" is not known`, "path_style=maybe", "endpoint, region, path_style"},
		"s3://b/p?region=a&region=b":             {"exactly one"},
		"s3://b/p?endpoint=localhost:9000":       {"endpoint", "http://host:9000"},
		"s3://b/p?endpoint=http://k:hidden@host": {"without keys"},
		"s3://b/p?region=r#x":                    {"#x"},
	} {
		_, err := blob.OpenStore(t.Context(), address, blob.Options{})
		if err == nil {
			t.Errorf("%q was accepted", address)
			continue
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q: %q does not say %q", address, err, w)
			}
		}
		if strings.HasPrefix(address, "s3://key") && strings.Contains(err.Error(), "hidden") {
			t.Errorf("%q: the error shows the secret: %v", address, err)
		}
	}
}

func TestOpenStoreDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a folder", "store")
	st, err := blob.OpenStore(t.Context(), path, blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	create(t, st, "a/b", "x")
	if got, err := os.ReadFile(filepath.Join(path, "a", "b")); string(got) != "x" || err != nil {
		t.Errorf("file: %q, %v", got, err)
	}
	if d, ok := st.Unwrap().(*blob.Dir); !ok || d.Root() != path {
		t.Errorf("below is %T, want the Dir of %s", st.Unwrap(), path)
	}
}
