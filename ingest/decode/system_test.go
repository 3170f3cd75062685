package decode

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

func TestExtra(t *testing.T) {
	table := one(cube.Type{Kind: cube.String}, "page.url")
	table.Include.Extra = true
	table.Columns = append(table.Columns,
		cube.Column{Name: "first", Path: "tags[0]", Type: cube.Type{Kind: cube.JSON}},
		cube.Column{Name: "sku", Path: "items[1].sku", Type: cube.Type{Kind: cube.JSON}})
	d, s := newDecoder(t, table)
	for in, want := range map[string]any{
		`{}`:                   nil,
		`{"page":{"url":"x"}}`: nil,
		`{"page":{"url":"x"},"tags":[1],"items":null}`:                         nil,
		`{"page":{"url":"x","title":"y"},"a":1}`:                               `{"page":{"title":"y"},"a":1}`,
		`{ "a" : [ 1 , { "b" : " " } ] , "page" : { "x" : 1 , "url" : "u" } }`: `{"a":[1,{"b":" "}],"page":{"x":1}}`,
		`{"tags":[1,2,{"x":3}]}`:                                               `{"tags":[null,2,{"x":3}]}`,
		`{"items":[{"sku":1},{"sku":2,"n":3}]}`:                                `{"items":[{"sku":1},{"n":3}]}`,
		`{"items":[5,{"sku":2}]}`:                                              `{"items":[5,null]}`,
		`{"a\"b" :1,"\u0061":2,"p\u0061ge":{"x":1e5}}`:                         `{"a\"b":1,"\u0061":2,"p\u0061ge":{"x":1e5}}`,
		`{"a":1,"a":2}`:                       `{"a":1,"a":2}`,
		`{"page":{"x":1},"page":{"url":"u"}}`: `{"page":{"x":1},"page":{}}`,
		`{"page":{"x":1},"page":null}`:        `{"page":{"x":1},"page":null}`,
		`{"":{}}`:                             `{"":{}}`,
	} {
		c := stage.NewChunk(s)
		event := `{` + now + `}`
		if in != `{}` {
			event = `{` + now + `,` + in[1:]
		}
		if bad := d.Append(c, Record{TimestampMs: -1, Value: []byte(event)}); bad != nil {
			t.Errorf("%s: %v", in, bad)
		} else if diff := cmp.Diff(want, cell(&c.Columns[s.Field("_extra")], 0)); diff != "" {
			t.Errorf("%s: -want +got\n%s", in, diff)
		}
	}
}

func TestSystemColumns(t *testing.T) {
	table := one(cube.Type{Kind: cube.String}, "v")
	table.Include = cube.Include{Extra: true, Raw: true, Key: true, Headers: true}
	d, s := newDecoder(t, table)
	c := stage.NewChunk(s)
	event := []byte(`{ ` + now + `}`)
	records := []Record{
		{Offset: 7, TimestampMs: 5, Value: event, Key: []byte("k\xff"), Headers: []stage.Header{{Key: "a\n\"", Value: []byte("é\\")}, {Key: "b", Value: []byte{0xff}}, {Key: "c"}, {Key: "d\xff", Value: []byte{}}}},
		{Offset: 8, TimestampMs: -1, Value: event, Key: []byte{}},
		{Offset: 9, TimestampMs: -1, Value: event},
	}
	records[0].TimestampMs = 1_700_000_000_000
	for _, r := range records {
		if bad := d.Append(c, r); bad != nil {
			t.Fatal(bad)
		}
	}
	raw := string(event)
	want := [][]any{
		{nil, raw, "k\xff", `[{"key":"a\u000a\"","value":"é\\"},{"key":"b","value":"/w==","encoding":"base64"},{"key":"c","value":null},{"key":"d` + "\uFFFD" + `","value":""}]`},
		{nil, raw, "", nil},
		{nil, raw, nil, nil},
	}
	for i, w := range want {
		var got []any
		for k := 2; k < len(s.Fields); k++ {
			got = append(got, cell(&c.Columns[k], i))
		}
		if diff := cmp.Diff(w, got); diff != "" {
			t.Errorf("row %d: -want +got\n%s", i, diff)
		}
	}
	if diff := cmp.Diff([]int64{7, 8, 9}, c.Offsets); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int64{1_700_000_000_000, -1, -1}, c.Timestamps); diff != "" {
		t.Error(diff)
	}
}

func TestRoom(t *testing.T) {
	d, s := newDecoder(t, one(cube.Type{Kind: cube.String}, "v"))
	c := stage.NewChunk(s)
	r := Record{TimestampMs: -1, Value: []byte(`{` + now + `}`)}
	for Room(c, r) {
		if bad := d.Append(c, r); bad != nil {
			t.Fatal(bad)
		}
	}
	if c.Rows() != stage.ChunkRows {
		t.Errorf("a chunk of small records has %d rows", c.Rows())
	}
	c.Reset()
	if bad := d.Append(c, r); bad != nil || !Room(c, r) {
		t.Errorf("no room for a second row: %v", bad)
	}
	if Room(c, Record{Value: make([]byte, chunkBytes+1)}) {
		t.Error("room for more than the limit in a chunk with rows")
	}
	if c.Reset(); !Room(c, Record{Value: make([]byte, chunkBytes+1)}) {
		t.Error("D9: a chunk without rows has room for any record")
	}
}

func TestNewRefuses(t *testing.T) {
	for name, change := range map[string]func(*cube.Table){
		"path":       func(t *cube.Table) { t.Columns[1].Path = "a..b" },
		"type":       func(t *cube.Table) { t.Columns[1].Type.Kind = "int" },
		"decimal":    func(t *cube.Table) { t.Columns[1].Type = dec(39, 0) },
		"default":    func(t *cube.Table) { t.Columns[1].Null, t.Columns[1].Default = cube.NullDefault, "x" },
		"policy":     func(t *cube.Table) { t.Columns[1].Null = "drop" },
		"event time": func(t *cube.Table) { t.EventTime.Column = "x" },
		"time type":  func(t *cube.Table) { t.EventTime.Column = "v" },
		"conflict": func(t *cube.Table) {
			t.Columns[1].Path = "a.b"
			t.Columns = append(t.Columns, cube.Column{Name: "w", Path: "a[0]", Type: cube.Type{Kind: cube.Int64}})
		},
	} {
		table := one(cube.Type{Kind: cube.Int64}, "v")
		change(table)
		if _, err := New(table, stage.NewSchema(table)); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	table := one(cube.Type{Kind: cube.Int64}, "v")
	other := one(cube.Type{Kind: cube.String}, "v")
	if _, err := New(table, stage.NewSchema(other)); err == nil {
		t.Error("a schema of another version was accepted")
	}
	if _, err := New(table, &stage.Schema{}); err == nil {
		t.Error("an empty schema was accepted")
	}
}
