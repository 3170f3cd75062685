package segmenter

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func hashOf(digit string) string { return strings.Repeat(digit, 64) }

// testManifest is the manifest of the golden file.
func testManifest() *Manifest {
	m := &Manifest{
		FormatVersion: 1, Writer: "tidemark 0.4.0", Project: "default", Cube: "pageviews_cube", CubeID: "c12", TableID: "t7",
		DefinitionVersion: 3, Definition: json.RawMessage(`{"table":"pageviews","dimensions":["country","<device>"]}`),
		Number: 41, Attempt: 6, Reason: "cron 0 * * * * Europe/Berlin", CreatedUs: 1763719200000000,
		Range: Vector{
			{Partition: 0, Generation: 0, Start: 1000, End: 1040},
			{Partition: 0, Generation: 1, Start: 0, End: 25},
			{Partition: 1, Generation: 0, Start: 700, End: 700},
		},
		Parts: []PartMeasure{
			{Partition: 0, Generation: 0, Measure: Measure{Events: 30, Gaps: 7, Quarantined: 3, MinTimeUs: 1763715600000000, MaxTimeUs: 1763715659000000}},
			{Partition: 0, Generation: 1, Measure: Measure{Events: 20, Skipped: 2, Lost: 3, MinTimeUs: 1763715500000000, MaxTimeUs: 1763715600000000}},
			{Partition: 1, Generation: 0},
		},
		Replaces: []Replaced{{Number: 12, SegmentID: hashOf("a")}, {Number: 13, SegmentID: hashOf("b")}},
		Inputs: []Input{
			{Kind: InputLedger, Key: "ledger/t7/0/00000000000000000020-00000000000000000025.g1.lost.json", Size: 312, SHA256: hashOf("1")},
			{Kind: InputLookup, Key: "lookups/l3/9.parquet", Size: 8000, SHA256: hashOf("2"), Records: 250},
			{Kind: InputStaged, Key: "staged/t7/0/00000000000000000960-00000000000000001040.g0.e4.v2.parquet", Size: 4096, SHA256: hashOf("3"), Records: 70},
		},
		Cuboids: []CuboidEntry{
			{Cuboid: 1, Rows: 4, Bytes: 120, SHA256: hashOf("4"), Pieces: []CuboidPiece{{File: 0, First: 1, Count: 1}}},
			{Cuboid: 3, Rows: 9, Bytes: 300, SHA256: hashOf("5"), Pieces: []CuboidPiece{{File: 0, First: 0, Count: 1}, {File: 1, First: 0, Count: 2}}},
		},
		Notes: Notes{"took_ms": json.RawMessage(`412`)},
	}
	m.Measure = SumParts(m.Parts)
	m.SegmentID = m.ContentID()
	m.Files = []SegmentFile{
		{Key: SegmentFolder("c12", m.SegmentID, 5) + "/cuboids-0.parquet", Size: 9000, SHA256: hashOf("6")},
		{Key: SegmentFolder("c12", m.SegmentID, 6) + "/cuboids-1.parquet", Size: 7000, SHA256: hashOf("7")},
	}
	return m
}

// S10: the golden file is what version 1 of the format is. It is never rewritten.
func TestManifestGolden(t *testing.T) {
	const path = "testdata/format/v1/manifest.json"
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := testManifest().Encode()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("manifest (-%s +got):\n%s", path, d)
	}
	m, err := DecodeManifest(want)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(testManifest(), m); d != "" {
		t.Errorf("decoded %s (-want +got):\n%s", path, d)
	}
}

// The example of docs/format/manifest.md: the bytes whose hash is the id.
func TestContentIDBytes(t *testing.T) {
	var b bytes.Buffer
	testManifest().writeContent(&b)
	const want = `tidemark-segment-id 1
writer 14:tidemark 0.4.0
cube 3:c12 3
range 0 0 1000 1040
range 0 1 0 25
range 1 0 700 700
`
	if got := b.String(); !strings.HasPrefix(got, want) {
		t.Errorf("content starts with\n%s\nwant\n%s", got, want)
	}
	if n := strings.Count(b.String(), "\ninput "); n != 3 {
		t.Errorf("%d inputs in the content, want 3:\n%s", n, b.String())
	}
}

// S10: the id follows what was built from what, and nothing else.
func TestContentIDFollowsInputs(t *testing.T) {
	id := testManifest().ContentID()
	for name, change := range map[string]func(*Manifest){
		"cube":       func(m *Manifest) { m.CubeID = "c13" },
		"version":    func(m *Manifest) { m.DefinitionVersion++ },
		"range":      func(m *Manifest) { m.Range[0].End++ },
		"generation": func(m *Manifest) { m.Range[2].Generation++ },
		"input hash": func(m *Manifest) { m.Inputs[0].SHA256 = hashOf("9") },
		"input name": func(m *Manifest) { m.Inputs[1].Key += "x" },
		"fewer":      func(m *Manifest) { m.Inputs = m.Inputs[:2] },
		"writer":     func(m *Manifest) { m.Writer = "tidemark 0.4.1" },
		"format":     func(m *Manifest) { m.FormatVersion = 2 },
	} {
		m := testManifest()
		change(m)
		if m.ContentID() == id {
			t.Errorf("another %s gives the same id", name)
		}
	}
	m := testManifest()
	m.Attempt, m.Number, m.Reason, m.Cube, m.Files, m.Replaces = 9, 77, "retry", "renamed", nil, nil
	if got := m.ContentID(); got != id {
		t.Errorf("id %s after changes of what it was not built from, want %s", got, id)
	}
}

func TestDecodeManifestRefuses(t *testing.T) {
	good, err := testManifest().Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, old, new, want string }{
		{"unknown field", `"reason":`, `"excluded": [], "reason":`, `"excluded"`},
		{"newer format", `"format_version": 1`, `"format_version": 2`, "format version 2, this program reads 1"},
		{"no format", `"format_version": 1,`, ``, "no format_version"},
		{"other letters", `"number":`, `"Number":`, `unknown field "Number"`},
		{"letters that fold", `"skipped"`, `"ſkipped"`, "unknown field"},
		{"given twice", `"attempt": 6`, `"attempt": 5, "attempt": 6`, `"attempt" is given twice`},
		{"given twice below", `"lost": 3`, `"lost": 2, "lost": 3`, `"lost" is given twice`},
		{"two values", "\n}\n", "\n}\n{}", "after top-level value"},
		{"cut off", "\n}\n", "", "unexpected end"},
		{"offsets without a name", `"gaps": 7`, `"gaps": 6`, "names 39 offsets of 40 (S9)"},
		{"times the wrong way", `1763715659000000`, `1763715500000000`, "is above the highest"},
		{"another writer", `"writer": "tidemark 0.4.0"`, `"writer": "tidemark 0.4.1"`, "is not the hash"},
		{"input out of order", `lookups/l3`, `aookups/l3`, "want keys ascending"},
		{"unknown kind", `"kind": "lookup"`, `"kind": "view"`, `kind "view"`},
		{"a later attempt's file", `.5/cuboids-0`, `.7/cuboids-0`, "of a later attempt"},
		{"piece of no file", `"file": 1`, `"file": 2`, "of 2 files"},
		{"replaces itself", `"number": 13`, `"number": 41`, "another segment's number"},
		{"another object", `"definition": {`, `"definition": [], "other": {`, `unknown field "other"`},
		{"no parts", `"parts": [`, `"parts": [], "inputs": [`, `"inputs" is given twice`},
	} {
		data := strings.Replace(string(good), c.old, c.new, 1)
		if data == string(good) {
			t.Fatalf("%s: %q is not in the manifest", c.name, c.old)
		}
		if _, err := DecodeManifest([]byte(data)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.want)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	for want, change := range map[string]func(*Manifest){
		"no JSON object":   func(m *Manifest) { m.Definition = json.RawMessage(`[1]`) },
		"cube_id is miss":  func(m *Manifest) { m.CubeID = "" },
		"holds no offset":  func(m *Manifest) { m.Range = m.Range[2:] },
		"parts add up to":  func(m *Manifest) { m.Measure.Events++ },
		"3 lines":          func(m *Manifest) { m.Parts = m.Parts[:2] },
		"range of p1":      func(m *Manifest) { m.Parts[2].Generation = 1 },
		"count is negat":   func(m *Manifest) { m.Parts[0].Gaps = -7 },
		"above 2^60":       func(m *Manifest) { m.Parts[0].Gaps = 1 << 61 },
		"cuboid 3 comes":   func(m *Manifest) { m.Cuboids[1], m.Cuboids[0] = m.Cuboids[0], m.Cuboids[1]; m.Cuboids[1].Cuboid = 3 },
		"no file holds":    func(m *Manifest) { m.Cuboids[0].Pieces = nil },
		"stored in":        func(m *Manifest) { m.Stored = &StoredTable{Store: "hbase"} },
		"note odd":         func(m *Manifest) { m.Notes = Notes{"odd": json.RawMessage(`{`)} },
		"want keys ascend": func(m *Manifest) { m.Files[1] = m.Files[0] },
	} {
		m := testManifest()
		change(m)
		if data, err := m.Encode(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, %v, want an error with %q", data, err, want)
		}
	}
}

// Notes are the place for what a later writer adds without harm.
func TestNotesArePassedOver(t *testing.T) {
	good, err := testManifest().Encode()
	if err != nil {
		t.Fatal(err)
	}
	data := strings.Replace(string(good), `"took_ms": 412`, `"took_ms": 412, "Planned By": {"a": 1, "a": 2}`, 1)
	m, err := DecodeManifest([]byte(data))
	if err != nil || len(m.Notes) != 2 {
		t.Fatalf("got %v and notes %v, want no error and two notes", err, m)
	}
}

func TestSegmentFolder(t *testing.T) {
	id := hashOf("c")
	key := SegmentFolder("c12", id, 17)
	if want := "segments/c12/" + id + ".17"; key != want {
		t.Fatalf("got %s, want %s", key, want)
	}
	for _, rest := range []string{"", "manifest.json", "sub/file"} {
		whole := strings.TrimSuffix(key+"/"+rest, "/")
		cube, got, attempt, tail, err := ParseSegmentFolder(whole)
		if err != nil || cube != "c12" || got != id || attempt != 17 || tail != rest {
			t.Errorf("parse %s: got %q %q %d %q, %v", whole, cube, got, attempt, tail, err)
		}
	}
	for _, bad := range []string{
		"", "segments", "segments/c12", "segments//" + id + ".1", "segments/c12/" + id, "segments/c12/" + id + ".01",
		"segments/c12/" + id + ".-1", "segments/c12/" + id[1:] + ".1", "staged/c12/" + id + ".1", key + "/",
		"segments/c12/" + strings.ToUpper(id) + ".1",
	} {
		if _, _, _, _, err := ParseSegmentFolder(bad); err == nil {
			t.Errorf("parse %q: want an error", bad)
		}
	}
}
