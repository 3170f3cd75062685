package stage

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidemarkdb/tidemark/internal/blob"
)

// F5: what ParseKey takes, Key gives back.
func FuzzParseKey(f *testing.F) {
	for key := range goldenFiles(f) {
		f.Add(key)
	}
	f.Add("staged/t/0/00000000000000000001-00000000000000000002.g0.e1.v1.parquet")
	f.Add("staged/t/+0/1-2.g.e.v.parquet")
	f.Add("quarantine/t/-1/--.g0.e1.ndjson.zst")
	f.Fuzz(func(t *testing.T, key string) {
		k, err := ParseKey(key)
		if err != nil {
			if !strings.Contains(err.Error(), key) {
				t.Fatalf("ParseKey(%q): error %q does not name the key", key, err)
			}
			return
		}
		if got := k.Key(); got != key {
			t.Fatalf("ParseKey(%q).Key() = %q", key, got)
		}
	})
}

func FuzzFooter(f *testing.F) {
	st, files := goldenStore(f)
	for key := range files {
		if strings.HasPrefix(key, "staged/") {
			r, err := Open(f.Context(), st, key, -1)
			if err != nil {
				f.Fatal(err)
			}
			b, err := Footer.json(r.Footer())
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
			if err := r.Close(); err != nil {
				f.Fatal(err)
			}
		}
	}
	f.Add([]byte(`{"format_version":1,"row_hash":"00"}`))
	f.Add([]byte(`{"format_version":1,"exceptions":[]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		foot, err := parseFooter(text)
		if err != nil {
			return
		}
		again, err := foot.json()
		if err != nil {
			t.Fatal(err)
		}
		back, err := parseFooter(again)
		if err != nil {
			t.Fatalf("%s\nread, written as\n%s\nand not read again: %v", text, again, err)
		}
		if d := cmp.Diff(foot, back); d != "" {
			t.Fatalf("written and read again (-first +second):\n%s", d)
		}
	})
}

// fuzzFile reads data as each kind of file: an error is fine, if it names the file; a panic or a run out of memory is not.
func fuzzFile(f *testing.F, suffix string, keys ...string) {
	_, files := goldenStore(f)
	for key, data := range files {
		if strings.HasSuffix(key, suffix) {
			f.Add(data)
			f.Add(data[:len(data)/2])
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, key := range keys {
			st := new(blob.Mem)
			putBytes(t, st, key, data)
			if _, err := readFile(t, st, key); err != nil {
				checkFormatError(t, key, err)
			}
		}
	})
}

func FuzzNDJSONFile(f *testing.F) {
	fuzzFile(f, ndjsonSuffix, "staged/t/0/x.ndjson.zst", "quarantine/t/0/x.ndjson.zst")
}

func FuzzParquetFile(f *testing.F) { fuzzFile(f, parquetSuffix, "staged/t/0/x.parquet") }

func FuzzLedgerFile(f *testing.F) { fuzzFile(f, ".json", "ledger/t/0/x.json") }

// Lines, past the hash that guards them in a file: any text is an error or a row that is written as the same line.
func FuzzLine(f *testing.F) {
	s, rows, _ := fixture()
	names := lineNames(s)
	for r := range rows.Rows() {
		line, err := appendLine(nil, s, names, rows, r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.TrimSuffix(line, []byte{'\n'}))
	}
	wanted := make([]bool, len(s.Fields))
	for i := range wanted {
		wanted[i] = true
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		c := NewChunk(s)
		p := &lineParser{schema: s, names: names, wanted: wanted}
		if p.parse(c, line) != nil {
			return
		}
		again, err := appendLine(nil, s, names, c, 0)
		if err != nil {
			t.Fatal(err)
		}
		c2 := NewChunk(s)
		if err := p.parse(c2, bytes.TrimSuffix(again, []byte{'\n'})); err != nil {
			t.Fatalf("%s\nread, written as\n%s\nand not read again: %v", line, again, err)
		}
		if d := sameRows(c, c2); d != "" {
			t.Fatalf("%s\nwritten and read again (-first +second):\n%s", line, d)
		}
	})
}
