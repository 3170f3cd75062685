package lookup_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/tidemarkdb/tidemark/builder/lookup"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/testkit/catalogtest"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

const shops = `id,name,opened,since,turnover,share,open,big
3,"Kiel, Hafen",2020-02-29,1700000000000,12.50,0.5,true,-12345678901234567890.5
1,Bonn,,,-3,,false,
2,Ülzen,1969-12-31,-1,0.01,1e3,,7
`

func source(types ...string) lookup.Source {
	s := lookup.Source{Project: "default", Name: "shops", Key: "id", Format: "csv"}
	for _, t := range types {
		name, typ, _ := strings.Cut(t, ":")
		s.Types = append(s.Types, cube.LookupColumn{Name: name, Type: typ})
	}
	return s
}

func shopSource() lookup.Source {
	return source("id:int64", "opened:date", "since:timestamp(ms)", "turnover:decimal(10,2)", "share:float64", "open:bool", "big:decimal(38,1)")
}

// rows reads a snapshot back, by the library's own reader.
func rows(t *testing.T, text []byte) (out []string) {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	r := parquet.NewReader(f)
	defer r.Close()
	buf := make([]parquet.Row, 10)
	for {
		n, err := r.ReadRows(buf)
		for _, row := range buf[:n] {
			line := ""
			for i, v := range row {
				name := f.Schema().Fields()[i].Name()
				if v.Kind() == parquet.FixedLenByteArray {
					line += fmt.Sprintf("%s=%x ", name, v.ByteArray())
				} else {
					line += fmt.Sprintf("%s=%v ", name, v)
				}
			}
			out = append(out, strings.TrimSpace(line))
		}
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// K1, K2: rows are sorted by key with their types, and their order in the file changes nothing.
func TestCSV(t *testing.T) {
	got, err := lookup.Read(shopSource(), []byte(shops))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"big=<null> id=1 name=Bonn open=false opened=<null> share=<null> since=<null> turnover=-300",
		"big=00000000000000000000000000000046 id=2 name=Ülzen open=<null> opened=-1 share=1000 since=-1000 turnover=1",
		"big=fffffffffffffff94eb1607ed0c993c7 id=3 name=Kiel, Hafen open=true opened=18321 share=0.5 since=1700000000000000 turnover=1250",
	}
	have := rows(t, got.Bytes)
	if d := cmp.Diff(want, have); d != "" {
		t.Errorf("rows (-want +got):\n%s", d)
	}
	lines := strings.SplitAfter(shops, "\n")
	again, err := lookup.Read(shopSource(), []byte("\xef\xbb\xbf"+lines[0]+lines[3]+lines[1]+lines[2]))
	if err != nil || again.SHA256 != got.SHA256 {
		t.Errorf("another order of lines gives %s, %v, want %s", again.SHA256, err, got.SHA256)
	}
	// A snapshot is a Parquet file that a lookup table can be made of.
	s := source()
	s.Format = "parquet"
	small, err := lookup.Read(source("id:int64"), []byte("id,name\n2,b\n1,a\n"))
	if err != nil {
		t.Fatal(err)
	}
	copied, err := lookup.Read(s, small.Bytes)
	if err != nil || copied.SHA256 != small.SHA256 {
		t.Errorf("made of itself: %+v, %v, want hash %s", copied, err, small.SHA256)
	}
}

// K5: what is wrong is said with its place.
func TestBadFiles(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "line 1: the file is empty"},
		{"a field too many", "id,n\n1,2\n1,2,3\n", "line 3: wrong number of fields: every line needs as many as the first"},
		{"quote inside", "id,n\n1,a\"b\n", `line 2, column 4: bare " in non-quoted`},
		{"open quote", "id,n\n1,\"ab\n", `line 2, column`},
		{"no number", "id,n\n1,\"a\nb\"\nx,c\n", `line 4, column 1: id: "x" is no int64`},
		{"number with blanks", "id,n\n 1,x\n", `line 2, column 1: id: " 1" is no int64`},
		{"key empty", "id,n\n,x\n", "line 2: the key id is empty"},
		{"key twice", "id,n\n7,a\n8,b\n9,c\n8,d\n7,e\n8,f\n", "lines 3 and 5 have the same key id = 8"},
		{"no key", "no,n\n7,a\n", "line 1: there is no column \"id\", which a type is given for"},
		{"column twice", "id,n,n\n7,a,b\n", "n is there already"},
		{"column that is none", "id,a b\n7,a\n", `"a b" is no name`},
		{"not UTF-8", "id,n\n7,\xff\n", "line 2, column 3: n: \"\\xff\" is no string: save the file as UTF-8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := lookup.Read(source("id:int64"), []byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
	for typ, bad := range map[string][]string{
		"bool": {"TRUE", "1"}, "float64": {"1,5"}, "date": {"1.2.2020", "2020-02-30"}, "timestamp(s)": {"9223372036854775807", "x"},
		"timestamp": {"2020-01-01"}, "decimal(4,2)": {"1.234", "123", "--1", ".", "1e3"}, "decimal(38,0)": {strings.Repeat("9", 39)},
	} {
		for _, s := range bad {
			if _, err := lookup.Read(source("id:int64", "v:"+typ), []byte("id,v\n1,\""+s+"\"\n")); err == nil || !strings.Contains(err.Error(), "line 2, column 3: v: ") {
				t.Errorf("%s as %s: got %v, want it refused with its place", s, typ, err)
			}
		}
	}
	p := source()
	p.Format = "parquet"
	for _, text := range []string{"", "PAR1", strings.Repeat("PAR1", 20)} {
		if _, err := lookup.Read(p, []byte(text)); err == nil {
			t.Errorf("%q is taken for a Parquet file", text)
		}
	}
}

// Each snapshot is a version; one with the same rows is none; what a table was at any version stays.
func TestApply(t *testing.T) {
	ctx, st := t.Context(), new(blob.Mem)
	c, err := catalog.Open(ctx, catalogtest.Put(t, filepath.Join(t.TempDir(), "catalog.db")), catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	apply := func(text string) (catalog.LookupVersion, bool) {
		t.Helper()
		s, err := lookup.Read(source("id:int64"), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		v, changed, err := lookup.Apply(ctx, st, c, s)
		if err != nil {
			t.Fatal(err)
		}
		return v, changed
	}
	one, changed := apply("id,n\n1,a\n")
	if !changed || one.Lookup.Version != 1 || one.Rows != 1 {
		t.Errorf("first: got %+v, %t", one, changed)
	}
	if again, changed := apply("id,n\n1,a\n"); changed || again.Key != one.Key {
		t.Errorf("again: got %+v, %t, want no change", again, changed)
	}
	two, changed := apply("id,n\n1,a\n2,b\n")
	if !changed || two.Lookup.Version != 2 || two.Lookup.ID != one.Lookup.ID {
		t.Errorf("second: got %+v, %t", two, changed)
	}
	id, version, sum, err := lookup.ParseKey(two.Key)
	if err != nil || id != two.Lookup.ID || version != 2 || sum != two.SHA256 {
		t.Errorf("key %s: got %s, %d, %s, %v", two.Key, id, version, sum, err)
	}
	rival := two
	def := *two.Lookup
	rival.Lookup, rival.Key = &def, two.Key+"x"
	var conflict *catalog.ConflictError
	if err := c.AppendLookup(ctx, rival); !errors.As(err, &conflict) {
		t.Errorf("a second version 2: got %v, want a conflict", err)
	}
	versions, err := c.LookupVersions(ctx, id)
	if err != nil || len(versions) != 2 || versions[0].Key != one.Key {
		t.Errorf("versions: got %+v, %v", versions, err)
	}
	if err := c.DropLookup(ctx, "default", "shops"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Lookup(ctx, "default", "shops"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("dropped: got %v, want ErrNotFound", err)
	}
	if three, changed := apply("id,n\n1,a\n"); !changed || three.Lookup.ID == id || three.Lookup.Version != 1 {
		t.Errorf("made again: got %+v, %t, want another table", three, changed)
	}
}

// The limits that docs/LOOKUPS.md names are those of the code, and a Parquet file in a codec that is read wrongly is refused.
func TestLimitsAndCodecs(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "LOOKUPS.md"))
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("At most %d,000,000 rows, %d columns and a file of %d MiB", lookup.MaxRows/1_000_000, cube.MaxLookupColumns, lookup.MaxBytes>>20)
	if !strings.Contains(string(doc), want) {
		t.Errorf("docs/LOOKUPS.md does not say %q", want)
	}
	type item struct {
		ID   int32   `parquet:"id"`
		Rate float32 `parquet:"rate,optional"`
	}
	write := func(codec parquet.WriterOption) []byte {
		var b bytes.Buffer
		w := parquet.NewGenericWriter[item](&b, codec)
		if _, err := w.Write([]item{{2, 0.5}, {1, 0}}); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	s := source()
	s.Format = "parquet"
	got, err := lookup.Read(s, write(parquet.Compression(&parquet.Snappy)))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"id=1 rate=<null>", "id=2 rate=0.5"}, rows(t, got.Bytes)); d != "" {
		t.Errorf("rows (-want +got):\n%s", d)
	}
	if _, err := lookup.Read(s, write(parquet.Compression(&parquet.Lz4Raw))); err == nil || !strings.Contains(err.Error(), "write it with zstd") {
		t.Errorf("LZ4: got %v, want it refused", err)
	}
}
