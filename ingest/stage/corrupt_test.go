package stage

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/blob/faultblob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/pages"
)

// readFile reads all of a staged, quarantine or ledger file.
func readFile(t testing.TB, st blob.Store, key string) (*Chunk, error) {
	switch {
	case strings.HasPrefix(key, "quarantine/"):
		for _, err := range ReadQuarantine(t.Context(), st, key) {
			if err != nil {
				return nil, err
			}
		}
		return nil, nil
	case strings.HasPrefix(key, "ledger/"):
		_, err := ReadLedger(t.Context(), st, key)
		return nil, err
	}
	r, err := Open(t.Context(), st, key, -1)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	all := NewChunk(r.Schema())
	for g := range r.Groups() {
		c, err := r.Read(t.Context(), g, nil)
		if err != nil {
			return nil, err
		}
		all.AppendChunk(c, 0, c.Rows())
	}
	return all, nil
}

func checkFormatError(t testing.TB, key string, err error) {
	t.Helper()
	var fe *FormatError
	if !errors.As(err, &fe) || fe.Key != key || !strings.Contains(err.Error(), key) {
		t.Fatalf("%s: error %v (%T), want a *FormatError that names it", key, err, err)
	}
}

func TestForeignFiles(t *testing.T) {
	var foreign bytes.Buffer
	if err := parquet.Write(&foreign, []struct{ A int64 }{{1}, {2}}); err != nil {
		t.Fatal(err)
	}
	for key, data := range map[string]string{
		"staged/t/0/other.parquet":       foreign.String(),
		"staged/t/0/empty.parquet":       "",
		"staged/t/0/text.parquet":        strings.Repeat("no parquet ", 20),
		"staged/t/0/text.ndjson.zst":     strings.Repeat("{}\n", 20),
		"staged/t/0/empty.ndjson.zst":    "",
		"staged/t/0/name.csv":            "a,b",
		"quarantine/t/0/text.ndjson.zst": strings.Repeat("{}\n", 20),
		"ledger/t/0/list.lost.json":      "[1]",
		"ledger/t/0/state.lost.json":     `{"format_version":1,"row":{"state":"staged","range":{"start":1,"end":2}}}`,
		"ledger/t/0/newer.lost.json":     `{"format_version":2,"writer":"tidemark version 9"}`,
	} {
		st := new(blob.Mem)
		putBytes(t, st, key, []byte(data))
		if _, err := readFile(t, st, key); err == nil {
			t.Errorf("%s: read without an error", key)
		} else {
			checkFormatError(t, key, err)
		}
	}
	if _, err := readFile(t, new(blob.Mem), "staged/t/0/none.parquet"); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("a file that is not there: %v, want ErrNotFound", err)
	}
}

// A storage error stays one: it is no damage, and worth another try.
func TestStorageFaults(t *testing.T) {
	st, files := goldenStore(t)
	for key := range files {
		for at := 0; ; at++ {
			faulty := &faultblob.Store{Store: st, At: at}
			_, err := readFile(t, faulty, key)
			if !faulty.Fired() {
				if err != nil {
					t.Fatalf("%s: no fault, and yet: %v", key, err)
				}
				break
			}
			var fe *FormatError
			if err == nil || errors.As(err, &fe) {
				t.Fatalf("%s: fault %d gives %v, want a storage error", key, at, err)
			}
		}
	}
}

// brokenBody ends with a storage error in the middle.
type brokenBody struct {
	io.Reader
	err error
}

func (b brokenBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = b.err
	}
	return n, err
}

func (brokenBody) Close() error { return nil }

func TestStorageFaultInTheMiddle(t *testing.T) {
	_, files := goldenStore(t)
	for key, data := range files {
		if k, err := ParseKey(key); err != nil || k.Format != cube.NDJSON {
			continue
		}
		l, err := openLines(t.Context(), &pages.Source{Store: brokenStore{data: data[:len(data)/4]}, Key: key}, int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		l.group(1 << 20)
		for err == nil {
			_, err = l.next()
		}
		if !errors.Is(err, blob.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", key, err)
		}
		l.close()
	}
}

// A writer that fails is reported, whatever it was about to write.
func TestWriteFaults(t *testing.T) {
	s, c, foot := fixture()
	qfoot, recs := fixtureQuarantine()
	encoders := map[string]func(io.Writer) error{
		"parquet": func(w io.Writer) error {
			_, err := Encode(w, s, cube.Parquet, foot, []*Chunk{c}, EncodeOptions{})
			return err
		},
		"ndjson": func(w io.Writer) error {
			_, err := Encode(w, s, cube.NDJSON, foot, []*Chunk{c}, EncodeOptions{})
			return err
		},
		"quarantine": func(w io.Writer) error {
			_, err := EncodeQuarantine(w, qfoot, recs)
			return err
		},
	}
	full := errors.New("disk full")
	for name, encode := range encoders {
		calls := 0
		for at := 0; ; at++ {
			w := &failingWriter{at: at, err: full}
			err := encode(w)
			if w.n <= at {
				if err != nil {
					t.Fatalf("%s: no fault, and yet: %v", name, err)
				}
				break
			}
			calls++
			if !errors.Is(err, full) {
				t.Fatalf("%s: write %d failed, got %v", name, at, err)
			}
		}
		if calls < 2 {
			t.Errorf("%s: only %d writes", name, calls)
		}
	}
}

// failingWriter fails its call number at, from 0.
type failingWriter struct {
	n, at int
	err   error
}

func (w *failingWriter) Write(p []byte) (int, error) {
	w.n++
	if w.n > w.at {
		return 0, w.err
	}
	return len(p), nil
}

// brokenStore has one object, which breaks off.
type brokenStore struct {
	blob.Store
	data []byte
}

func (b brokenStore) Open(context.Context, string, int64, int64) (io.ReadCloser, error) {
	return brokenBody{bytes.NewReader(b.data), blob.ErrUnavailable}, nil
}
