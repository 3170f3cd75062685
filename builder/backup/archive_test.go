package backup_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"
	"time"

	"github.com/tidemarkdb/tidemark/builder/backup"
)

// packed returns an archive with a dump.
func packed(t *testing.T, dump string) []byte {
	t.Helper()
	name := filepath.Join(t.TempDir(), "dump")
	if err := os.WriteFile(name, []byte(dump), 0o600); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := backup.Pack(&b, name, time.Unix(1_700_000_000, 0)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const dump = `{"tidemark_catalog":1,"schema":7,"id":"c1","time_us":1}
{"table":"projects","columns":["name","owner","created_us"]}
["default","",0]
["web","ann",1700000000000000]
{"end":true,"rows":2}
`

// A1: whatever byte is changed, and wherever it is cut.
func TestCheck(t *testing.T) {
	data := packed(t, dump)
	if id, rows, err := backup.Check(bytes.NewReader(data)); id != "c1" || rows != 2 || err != nil {
		t.Fatalf("got %q, %d rows, %v; want c1, 2 rows", id, rows, err)
	}
	unseen := 0
	for at := range data {
		for bit := range 8 {
			bad := bytes.Clone(data)
			bad[at] ^= 1 << bit
			if _, _, err := backup.Check(bytes.NewReader(bad)); err == nil {
				unseen++
			} else if !errors.As(err, new(*backup.DamagedError)) {
				t.Fatalf("bit %d of byte %d: got %T %v, want a *DamagedError", bit, at, err, err)
			}
		}
		if _, _, err := backup.Check(bytes.NewReader(data[:at])); err == nil {
			t.Errorf("cut to %d of %d bytes, and nothing is wrong", at, len(data))
		}
	}
	if unseen > 7 {
		t.Errorf("%d bits can be changed, want only padding within one byte", unseen)
	}
	if _, _, err := backup.Check(bytes.NewReader(append(bytes.Clone(data), 0))); err == nil {
		t.Error("a byte more, and nothing is wrong")
	}
}

func TestCheckDumps(t *testing.T) {
	for name, text := range map[string]string{
		"other rows":     "{\"tidemark_catalog\":1,\"id\":\"c\"}\n{\"end\":true,\"rows\":1}\n",
		"no end":         "{\"tidemark_catalog\":1,\"id\":\"c\"}\n[1]\n",
		"another format": "{\"tidemark_catalog\":2,\"id\":\"c\"}\n{\"end\":true}\n",
		"no dump":        "x",
	} {
		if _, _, err := backup.Check(bytes.NewReader(packed(t, text))); !errors.As(err, new(*backup.DamagedError)) {
			t.Errorf("%s: got %v, want a *DamagedError", name, err)
		}
	}
	broken := errors.New("the disk is gone")
	if _, _, err := backup.Check(iotest.ErrReader(broken)); !errors.Is(err, broken) || errors.As(err, new(*backup.DamagedError)) {
		t.Errorf("a reader that fails: got %v, want %v and no *DamagedError", err, broken)
	}
}
