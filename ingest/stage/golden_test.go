package stage

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// create writes golden files that do not exist yet. Those that exist are never written again: they are what readers of
// this version must read for ever.
var create = flag.Bool("create", false, "create missing golden files")

// goldenDir holds files of the writer of today, firstGoldenDir those of the first one: strings without dictionary are
// DELTA_LENGTH_BYTE_ARRAY there.
const (
	goldenDir      = "testdata/format/v1.1"
	firstGoldenDir = "testdata/format/v1"
)

// fixture returns rows with every type, nulls, and the values that are easily got wrong. It must never change.
func fixture() (*Schema, *Chunk, Footer) {
	tab := &cube.Table{ID: "t7", Version: 3, EventTime: cube.EventTime{Column: "ts"}, Include: cube.Include{Extra: true, Raw: true, Key: true, Headers: true}}
	for _, c := range []struct {
		name string
		typ  cube.Type
	}{
		{"ts", cube.Type{Kind: cube.Timestamp}},
		{"id", cube.Type{Kind: cube.String}},
		{"country", cube.Type{Kind: cube.String}},
		{"ok", cube.Type{Kind: cube.Bool}},
		{"n", cube.Type{Kind: cube.Int64}},
		{"score", cube.Type{Kind: cube.Float64}},
		{"price", cube.Type{Kind: cube.Decimal, Precision: 12, Scale: 2}},
		{"huge", cube.Type{Kind: cube.Decimal, Precision: 38, Scale: 10}},
		{"day", cube.Type{Kind: cube.Date}},
		{"seen", cube.Type{Kind: cube.Timestamp}},
		{"doc", cube.Type{Kind: cube.JSON}},
		{"nothing", cube.Type{Kind: cube.String}},
		{"empty", cube.Type{Kind: cube.Int64}},
	} {
		tab.Columns = append(tab.Columns, cube.Column{Name: c.name, Type: c.typ})
	}
	s := NewSchema(tab)
	c := NewChunk(s)
	for i := range 60 {
		c.Offsets = append(c.Offsets, int64(1000+i+i/10)) // each tenth offset is a gap
		c.Timestamps = append(c.Timestamps, 1763632800000+int64(i)*7)
		fixtureRow(c, i)
	}
	c.MinTimeUs, c.MaxTimeUs = timesOf(s, []*Chunk{c})
	var gaps segmenter.Exceptions
	for i := range 5 {
		kind := []segmenter.ExceptionKind{segmenter.Gap, segmenter.Quarantined}[i%2]
		gaps = gaps.Add(kind, int64(1010+11*i), int64(1011+11*i))
	}
	return s, c, Footer{
		Project: "default", Table: "pageviews", TableID: "t7", Topic: "page-views", Schema: 3, Epoch: 12, Events: 60, Exceptions: gaps,
		Range: segmenter.PartitionRange{Partition: 2, Generation: 1, Start: 1000, End: 1065},
	}
}

func fixtureRow(c *Chunk, i int) {
	floats := []float64{0, math.Copysign(0, -1), 1.5, -2.25, math.MaxFloat64, math.SmallestNonzeroFloat64, math.NaN(), math.Inf(1), math.Inf(-1)}
	ints := []int64{0, -1, math.MaxInt64, math.MinInt64, 42}
	texts := []string{"DE", "FR", "", "Ünïcode ✓", "a \"quoted\" \\ \n line\t\x01"}
	at := func(name int) *Column { return &c.Columns[name] }
	at(0).AppendInt(1763632800000000 + int64(i)*3600)
	at(1).AppendBytes(fmt.Appendf(nil, "id-%08x", uint32(i)*2654435761))
	at(2).AppendBytes([]byte(texts[i%5]))
	at(3).AppendInt(int64(i % 2))
	at(4).AppendInt(ints[i%5])
	at(5).AppendFloat(floats[i%9])
	at(6).AppendInt([]int64{0, 1999, -1, 999999999999, -999999999999}[i%5])
	digits := []string{"0", "1", "-1", "99999999999999999999999999999999999999", "-99999999999999999999999999999999999999", "12345678901234567890"}
	appendDigits(at(7), digits[i%6])
	at(8).AppendInt([]int64{0, 20412, -1, -719162, 2932896}[i%5])
	at(9).AppendInt([]int64{0, -1, 1763632800123456, 253402300799999999, -62135596800000000}[i%5])
	at(10).AppendBytes([]byte([]string{`{"a":[1,2]}`, `null`, "{\n  \"b\": \"x\"\n}", `"s"`, `1e3`}[i%5]))
	at(11).AppendNull()
	at(12).AppendNull()
	at(13).AppendBytes([]byte(`{"other":1}`))
	at(14).AppendBytes([]byte{'r', 0xff, 0xfe, byte(i)})
	at(15).AppendBytes([]byte([]string{"key", "", "\x80\x00"}[i%3]))
	at(16).AppendBytes([]byte(`[]`))
	// Each seventh value of a column that may be null is.
	for col := 1; col < len(c.Columns); col++ {
		if (i+col)%7 == 0 && col < 11 {
			n := c.Columns[col].Len() - 1
			c.Columns[col].Truncate(n)
			c.Columns[col].AppendNull()
		}
	}
}

func appendDigits(col *Column, digits string) {
	p := &lineParser{b: []byte(`"` + digits + `"`)}
	if err := p.decimal(&Field{Kind: Decimal128, Type: cube.Type{Kind: cube.Decimal, Precision: 38}}, col); err != nil {
		panic(err) // the digits above are decimals
	}
}

func fixtureQuarantine() (QuarantineFooter, []QuarantineRecord) {
	_, _, f := fixture()
	foot := QuarantineFooter{Project: f.Project, Table: f.Table, TableID: f.TableID, Topic: f.Topic, Schema: f.Schema, Range: f.Range, Epoch: f.Epoch}
	return foot, []QuarantineRecord{
		{Offset: 1021, TimestampMs: 1763632800007, Reason: "not_json", Detail: "byte 3: want a value", Value: []byte(`{"a<b":`), Key: []byte("k")},
		{Offset: 1043, TimestampMs: -1, Reason: "tombstone", Detail: "the value is null", Null: true, Key: []byte{0xff, 0}, Headers: []Header{
			{Key: "trace", Value: []byte{1, 0xfe}}, {Key: "h", Value: []byte("text")}, {Key: "none", Value: nil}, {Key: "empty", Value: []byte{}},
		}},
		{Offset: 1050, TimestampMs: 0, Reason: "invalid_utf8", Detail: "byte 0", Value: []byte{0xff, 0xfe, '\n'}},
		{Offset: 1051, TimestampMs: 0, Reason: "empty", Detail: "no bytes", Value: []byte{}, Key: []byte{}},
	}
}

// goldenFiles returns every golden file as the writer of this version makes it, by key.
func goldenFiles(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	s, rows, foot := fixture()
	half := NewChunk(s)
	half.AppendChunk(rows, 10, 30)
	half.MinTimeUs, half.MaxTimeUs = timesOf(s, []*Chunk{half})
	for _, f := range []cube.Format{cube.Parquet, cube.NDJSON} {
		sup := foot
		sup.Range.Start, sup.Range.End, sup.Requeue, sup.Events, sup.Exceptions = half.Offsets[0], 1040, 4, 20, nil
		for key, x := range map[string]struct {
			foot Footer
			rows *Chunk
		}{
			StagedKey("t7", foot.Range, 12, 3, f): {foot, rows}, SupplementKey("t7", sup.Range, 4, f): {sup, half},
		} {
			var buf bytes.Buffer
			if _, err := Encode(&buf, s, f, x.foot, []*Chunk{x.rows}, EncodeOptions{RowGroupRows: 40}); err != nil {
				t.Fatal(err)
			}
			files[key] = buf.Bytes()
		}
	}
	qfoot, recs := fixtureQuarantine()
	var buf bytes.Buffer
	if _, err := EncodeQuarantine(&buf, qfoot, recs); err != nil {
		t.Fatal(err)
	}
	files[QuarantineKey("t7", qfoot.Range, 12)] = buf.Bytes()
	for _, row := range fixtureLedger() {
		text, err := row.Encode()
		if err != nil {
			t.Fatal(err)
		}
		files[LedgerKey("t7", row.Row.Range, row.Row.State)] = text
	}
	return files
}

func fixtureLedger() []LedgerRecord {
	var all []LedgerRecord
	for i, state := range []segmenter.RowState{segmenter.Lost, segmenter.Skipped} {
		all = append(all, LedgerRecord{Project: "default", Table: "pageviews", TableID: "t7", Topic: "page-views", Epoch: 13, Row: segmenter.LedgerRow{
			Range: segmenter.PartitionRange{Partition: 2, Generation: 1, Start: 1065 + int64(i)*10, End: 1075 + int64(i)*10}, State: state, Reason: "retention <10 min>",
		}})
	}
	return all
}

// The writer of today writes the golden files, byte by byte. When a better writer changes bytes within the format, this
// test changes; the files and TestReadGolden do not.
func TestWriteGolden(t *testing.T) {
	for key, got := range goldenFiles(t) {
		path := filepath.Join(goldenDir, filepath.FromSlash(key))
		want, err := os.ReadFile(path)
		if os.IsNotExist(err) && *create {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: the writer makes other bytes (%d) than the golden file has (%d)", key, len(got), len(want))
		}
	}
}

// goldenStore returns the golden files of the writer of today as they lie in the repository.
func goldenStore(t testing.TB) (*blob.Mem, map[string][]byte) {
	t.Helper()
	return goldenFolder(t, goldenDir)
}

func goldenFolder(t testing.TB, dir string) (*blob.Mem, map[string][]byte) {
	t.Helper()
	st, files := new(blob.Mem), map[string][]byte{}
	for key := range goldenFiles(t) {
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(key)))
		if err != nil {
			t.Fatal(err)
		}
		putBytes(t, st, key, data)
		files[key] = data
	}
	return st, files
}

// F3: version 1 is read for ever.
func TestReadGolden(t *testing.T) {
	for _, dir := range []string{firstGoldenDir, goldenDir} {
		t.Run(dir, func(t *testing.T) { readGolden(t, dir) })
	}
}

func readGolden(t *testing.T, dir string) {
	t.Helper()
	st, files := goldenFolder(t, dir)
	s, rows, foot := fixture()
	half := NewChunk(s)
	half.AppendChunk(rows, 10, 30)
	half.MinTimeUs, half.MaxTimeUs = timesOf(s, []*Chunk{half})
	seen := map[KeyKind]int{}
	for key := range files {
		k, err := ParseKey(key)
		if err != nil {
			t.Fatal(err)
		}
		seen[k.Kind]++
		switch k.Kind {
		case StagedFile, SupplementFile:
			want, wantFoot := rows, foot
			if k.Kind == SupplementFile {
				want = half
			}
			r, got := readAll(t, st, key)
			if d := sameRows(want, got); d != "" {
				t.Errorf("%s: rows differ (-fixture +read):\n%s", key, d)
			}
			f := r.Footer()
			if f.RowHash != HashChunk(want) || f.Range != k.Range || f.Requeue != k.Requeue || f.Events != int64(want.Rows()) {
				t.Errorf("%s: footer %+v", key, f)
			}
			if d := cmp.Diff(wantFoot.Exceptions, f.Exceptions); d != "" && k.Kind == StagedFile {
				t.Errorf("%s: exceptions differ (-fixture +read):\n%s", key, d)
			}
			if d := cmp.Diff(s, r.Schema()); d != "" {
				t.Errorf("%s: schema differs (-fixture +read):\n%s", key, d)
			}
		case QuarantineFile:
			_, want := fixtureQuarantine()
			if d := cmp.Diff(want, readQuarantined(t, st, key)); d != "" {
				t.Errorf("%s: records differ (-fixture +read):\n%s", key, d)
			}
		case LedgerFile:
			got, err := ReadLedger(t.Context(), st, key)
			if err != nil {
				t.Fatal(err)
			}
			if got.Row.Range != k.Range || got.Row.State != k.State || got.Row.Reason != "retention <10 min>" || got.TableID != "t7" || got.Epoch != 13 {
				t.Errorf("%s: read %+v", key, got)
			}
		}
	}
	if want := map[KeyKind]int{StagedFile: 2, SupplementFile: 2, QuarantineFile: 1, LedgerFile: 2}; !cmp.Equal(seen, want) {
		t.Errorf("golden files by kind: %v, want %v", seen, want)
	}
}

func readQuarantined(t testing.TB, st blob.Store, key string) []QuarantineRecord {
	t.Helper()
	var all []QuarantineRecord
	for rec, err := range ReadQuarantine(t.Context(), st, key) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rec)
	}
	return all
}
