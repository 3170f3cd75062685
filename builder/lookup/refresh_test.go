package lookup_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/builder/lookup"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/blob/faultblob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// fakeAnswer hands out records as an engine does.
type fakeAnswer struct {
	schema *arrow.Schema
	rows   []arrow.Record
	covers []cube.LookupCover
	err    error // after the rows
}

func (f *fakeAnswer) Schema() *arrow.Schema      { return f.schema }
func (f *fakeAnswer) Covers() []cube.LookupCover { return f.covers }
func (f *fakeAnswer) Close() error               { return nil }
func (f *fakeAnswer) Next() (arrow.Record, error) {
	if len(f.rows) == 0 {
		if f.err != nil {
			return nil, f.err
		}
		return nil, io.EOF
	}
	rec := f.rows[0]
	f.rows = f.rows[1:]
	rec.Retain()
	return rec, nil
}

// answer has the rows that build appends.
func answer(fields []arrow.Field, build func(b *array.RecordBuilder), covers ...cube.LookupCover) *fakeAnswer {
	schema := arrow.NewSchema(fields, nil)
	b := array.NewRecordBuilder(memory.NewGoAllocator(), schema)
	defer b.Release()
	build(b)
	return &fakeAnswer{schema: schema, rows: []arrow.Record{b.NewRecord()}, covers: covers}
}

func field(name string, t arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: t, Nullable: true}
}

// counts is an answer of the columns city and n; a city "" is null.
func counts(covers []cube.LookupCover, rows ...any) *fakeAnswer {
	return answer([]arrow.Field{field("city", arrow.BinaryTypes.String), field("n", arrow.PrimitiveTypes.Int64)}, func(b *array.RecordBuilder) {
		for i := 0; i < len(rows); i += 2 {
			if rows[i] == "" {
				b.Field(0).AppendNull()
			} else {
				b.Field(0).(*array.StringBuilder).Append(rows[i].(string))
			}
			b.Field(1).(*array.Int64Builder).Append(int64(rows[i+1].(int)))
		}
	}, covers...)
}

// asked is a catalog and a store with what statements are answered with.
type asked struct {
	lookup.Queries
	t       *testing.T
	answers map[string]func() (lookup.Answer, error) // by the statement
}

func newAsked(t *testing.T) *asked {
	t.Helper()
	c, err := catalog.Open(t.Context(), filepath.Join(t.TempDir(), "catalog.db"), catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	a := &asked{t: t, answers: map[string]func() (lookup.Answer, error){}}
	a.Catalog, a.Store = c, new(blob.Mem)
	a.Ask = func(_ context.Context, _, sql string) (lookup.Answer, error) {
		if f, ok := a.answers[sql]; ok {
			return f()
		}
		return nil, fmt.Errorf("there is no table for %q", sql)
	}
	return a
}

func (a *asked) with(sql string, of func() *fakeAnswer) {
	a.answers[sql] = func() (lookup.Answer, error) { return of(), nil }
}

// apply makes a lookup table of a statement with the key city.
func (a *asked) apply(name, sql string) (catalog.LookupVersion, bool, error) {
	s, err := a.Read(a.t.Context(), lookup.Source{Project: "default", Name: name, Key: "city", Query: &cube.LookupQuery{SQL: sql, Every: "1h"}})
	if err != nil {
		return catalog.LookupVersion{}, false, err
	}
	return lookup.Apply(a.t.Context(), a.Store, a.Catalog, s)
}

func (a *asked) newest(name string) catalog.LookupVersion {
	a.t.Helper()
	v, err := a.Catalog.Lookup(a.t.Context(), "default", name)
	if err != nil {
		a.t.Fatal(err)
	}
	return v
}

// K2: values of every type that an answer may have become those of a snapshot.
func TestAnswerTypes(t *testing.T) {
	a := newAsked(t)
	ts := func(u arrow.TimeUnit, zone string) arrow.DataType {
		return &arrow.TimestampType{Unit: u, TimeZone: zone}
	}
	fields := []arrow.Field{
		field("city", arrow.BinaryTypes.String), field("b", arrow.FixedWidthTypes.Boolean), field("i8", arrow.PrimitiveTypes.Int8), field("u32", arrow.PrimitiveTypes.Uint32),
		field("f", arrow.PrimitiveTypes.Float32), field("d", arrow.FixedWidthTypes.Date32), field("ns", ts(arrow.Nanosecond, "")), field("s", ts(arrow.Second, "")),
		field("tz", ts(arrow.Microsecond, "UTC")), field("small", &arrow.Decimal128Type{Precision: 10, Scale: 2}), field("huge", &arrow.Decimal128Type{Precision: 38}),
	}
	a.with("all", func() *fakeAnswer {
		return answer(fields, func(b *array.RecordBuilder) {
			b.Field(0).(*array.StringBuilder).AppendValues([]string{"Kiel", "Bonn"}, nil)
			b.Field(1).(*array.BooleanBuilder).AppendValues([]bool{true, false}, []bool{true, false})
			b.Field(2).(*array.Int8Builder).AppendValues([]int8{-128, 0}, []bool{true, false})
			b.Field(3).(*array.Uint32Builder).AppendValues([]uint32{4294967295, 0}, []bool{true, false})
			b.Field(4).(*array.Float32Builder).AppendValues([]float32{0.5, 0}, []bool{true, false})
			b.Field(5).(*array.Date32Builder).AppendValues([]arrow.Date32{-1, 0}, []bool{true, false})
			for i := 6; i < 9; i++ {
				b.Field(i).(*array.TimestampBuilder).AppendValues([]arrow.Timestamp{-1, 0}, []bool{true, false})
			}
			b.Field(9).(*array.Decimal128Builder).AppendValues([]decimal128.Num{decimal128.FromI64(-150), {}}, []bool{true, false})
			b.Field(10).(*array.Decimal128Builder).AppendValues([]decimal128.Num{decimal128.FromI64(-2), {}}, []bool{true, false})
		})
	})
	v, changed, err := a.apply("all", "all")
	if err != nil || !changed || v.Rows != 2 {
		t.Fatalf("apply: %+v, %t, %v", v, changed, err)
	}
	types := ""
	for _, c := range v.Lookup.Columns {
		types += c.Type + " "
	}
	if want := "string bool int64 int64 float64 date timestamp(us) timestamp(us) timestamp(us) decimal(10,2) decimal(38,0) "; types != want {
		t.Errorf("types:\n got %s\nwant %s", types, want)
	}
	body, err := a.Store.Open(t.Context(), v.Key, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	got := rows(t, text)
	want := []string{
		"b=<null> city=Bonn d=<null> f=<null> huge=<null> i8=<null> ns=<null> s=<null> small=<null> tz=<null> u32=<null>",
		"b=true city=Kiel d=-1 f=0.5 huge=fffffffffffffffffffffffffffffffe i8=-128 ns=-1 s=-1000000 small=-150 tz=-1 u32=4294967295",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	described, err := lookup.Describe(t.Context(), a.Store, v.Key)
	if err != nil || !cmp.Equal(described.Lookup, v.Lookup) {
		t.Errorf("the object says %+v, %v, want %+v", described.Lookup, err, v.Lookup)
	}
}

// K1, K4, K5: an answer that can be no lookup table is refused with the reason, and nothing is stored.
func TestAnswerIsRefused(t *testing.T) {
	a := newAsked(t)
	city := field("city", arrow.BinaryTypes.String)
	none := func(*array.RecordBuilder) {}
	big := decimal128.FromI64(1)
	for range 38 {
		big = big.Mul(decimal128.FromI64(10))
	}
	for sql, tt := range map[string]struct {
		of   *fakeAnswer
		want string
	}{
		"twice": {counts(nil, "Bonn", 1, "Kiel", 2, "Bonn", 3), `rows 1 and 3 have the same key city = "Bonn"`},
		"null":  {counts(nil, "Bonn", 1, "", 2), "row 2: the key city is empty"},
		"nokey": {answer([]arrow.Field{field("town", arrow.BinaryTypes.String)}, none), "there is no column \"city\""},
		"list":  {answer([]arrow.Field{city, field("xs", arrow.ListOf(arrow.PrimitiveTypes.Int64))}, none), "column xs: a lookup table has no values of type list"},
		"u64":   {answer([]arrow.Field{city, field("h", arrow.PrimitiveTypes.Uint64)}, none), "column h: a lookup table has no values of type uint64: cast it"},
		"name":  {answer([]arrow.Field{city, field("count(*)", arrow.PrimitiveTypes.Int64)}, none), `"count(*)" is no name`},
		"same":  {answer([]arrow.Field{city, city}, none), "city is there already"},
		"huge": {answer([]arrow.Field{city, field("h", &arrow.Decimal128Type{Precision: 38})}, func(b *array.RecordBuilder) {
			b.Field(0).(*array.StringBuilder).Append("Bonn")
			b.Field(1).(*array.Decimal128Builder).Append(big)
		}), "row 1, column h: 1" + strings.Repeat("0", 38) + " has more than 38 digits"},
		"rows": {answer([]arrow.Field{field("city", arrow.PrimitiveTypes.Int64)}, func(b *array.RecordBuilder) {
			b.Field(0).(*array.Int64Builder).AppendValues(make([]int64, lookup.MaxRows+1), nil)
		}), "the answer has more than 2000000 rows, the limit of a lookup table"},
		"breaks": {&fakeAnswer{schema: arrow.NewSchema([]arrow.Field{city}, nil), err: errors.New("the disk is full")}, "the disk is full"},
		"itself": {counts([]cube.LookupCover{{Lookup: "cities", Version: 1}}, "Bonn", 1), "no lookup table can be made of itself"},
	} {
		a.with(sql, func() *fakeAnswer { return tt.of })
		if _, _, err := a.apply("cities", sql); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", sql, err, tt.want)
		}
	}
	if _, _, err := a.apply("cities", "unknown"); err == nil || !strings.Contains(err.Error(), "there is no table") {
		t.Errorf("unknown table: got %v", err)
	}
	if _, err := a.Read(t.Context(), lookup.Source{Project: "default", Name: "cities", Key: "city", Query: &cube.LookupQuery{SQL: "twice", Every: "often"}}); err == nil || !strings.Contains(err.Error(), "query.every") {
		t.Errorf("every often: got %v", err)
	}
	if list, err := a.Catalog.Lookups(t.Context(), ""); err != nil || len(list) != 0 {
		t.Errorf("stored: got %v, %v, want nothing", list, err)
	}
}

// A lookup table is not made of itself by way of others; a chain that ends is fine.
func TestLookupCycle(t *testing.T) {
	a := newAsked(t)
	a.with("of nothing", func() *fakeAnswer { return counts(nil, "Bonn", 1) })
	for _, name := range []string{"a", "b", "c"} {
		a.with("of "+name, func() *fakeAnswer { return counts([]cube.LookupCover{{Lookup: name, Version: 1}}, "Bonn", 1) })
	}
	for _, tt := range []struct{ name, sql, want string }{
		{"a", "of nothing", ""},
		{"b", "of a", ""},
		{"c", "of b", ""},
		{"a", "of c", "the query reads lookup table c, which is made of a by way of c, b"},
		{"a", "of nothing", ""},
		{"b", "of c", "which is made of b by way of c"},
	} {
		_, _, err := a.apply(tt.name, tt.sql)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %s: got %v, want %q", tt.name, tt.sql, err, tt.want)
		}
	}
}

// K2, K6: a refresh makes a version of another answer and none of the same one, whatever moment it is of; one that fails changes nothing
// and is noted.
func TestRefresh(t *testing.T) {
	a := newAsked(t)
	n, moment := 1, 0
	a.with("q", func() *fakeAnswer {
		moment++
		return counts([]cube.LookupCover{{Table: "t", Offsets: fmt.Sprint("0:", moment)}}, "Kiel", 2, "Bonn", n)
	})
	if _, _, err := a.apply("cities", "q"); err != nil {
		t.Fatal(err)
	}
	refresh := func(when string, version int64, changed bool, offsets string) {
		t.Helper()
		v, got, err := a.Refresh(t.Context(), "default", "cities")
		if err != nil || got != changed || v.Lookup.Version != version || v.Lookup.Query.Covers[0].Offsets != offsets || v.Lookup.Query.Every != "1h" {
			t.Fatalf("%s: got version %d of %+v, changed %t, %v, want %d of %s, changed %t", when, v.Lookup.Version, v.Lookup.Query, got, err, version, offsets, changed)
		}
		if r := a.newest("cities").Refresh; r.Failures != 0 || r.Problem != "" || r.TriedUs != r.RefreshedUs {
			t.Errorf("%s: noted %+v, want a success", when, r)
		}
	}
	refresh("same rows", 1, false, "0:1")
	n = 5
	refresh("other rows", 2, true, "0:3")
	if _, changed, err := a.apply("cities", "q"); err != nil || changed {
		t.Errorf("applied again: changed %t, %v, want no change", changed, err)
	}
	first := a.newest("cities")
	a.answers["q"] = func() (lookup.Answer, error) { return counts(nil, "Bonn", 1, "Bonn", 2), nil }
	for i := range 2 {
		if _, _, err := a.Refresh(t.Context(), "default", "cities"); err == nil || !strings.Contains(err.Error(), `same key city = "Bonn"`) {
			t.Errorf("two rows of a key: got %v", err)
		}
		v := a.newest("cities")
		if v.Refresh.Failures != i+1 || !strings.Contains(v.Refresh.Problem, "same key") || v.Refresh.RefreshedUs != first.Refresh.RefreshedUs {
			t.Errorf("failure %d: noted %+v", i+1, v.Refresh)
		}
		if v.Refresh = first.Refresh; !cmp.Equal(v, first) {
			t.Errorf("failure %d: newest is %+v, want %+v", i+1, v, first)
		}
	}
	a.with("q", func() *fakeAnswer {
		return counts([]cube.LookupCover{{Table: "t", Offsets: "0:9"}}, "Kiel", 2, "Bonn", 5)
	})
	refresh("mended", 2, false, "0:3")
	gone, leave := context.WithCancel(t.Context())
	a.answers["q"] = func() (lookup.Answer, error) { leave(); return nil, gone.Err() }
	if _, _, err := a.Refresh(gone, "default", "cities"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	if r := a.newest("cities").Refresh; r.Failures != 0 {
		t.Errorf("cancelled: noted %+v, want nothing", r)
	}
}

// K6: an answer that covers less of a partition than the newest version, as that of a process that does not read it, is not stored; an
// hour later it is, for then it is of another table or topic.
func TestRefreshCoversLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsked(t)
		n := 0
		ask := func(offsets string) (int64, bool, catalog.LookupRefresh) {
			t.Helper()
			n++
			a.with("q", func() *fakeAnswer {
				return counts([]cube.LookupCover{{Lookup: "other", Version: 1}, {Table: "t", Offsets: offsets}}, "Bonn", n)
			})
			time.Sleep(time.Second)
			v, changed, err := a.Refresh(t.Context(), "default", "cities")
			if err != nil {
				t.Fatalf("%s: %v", offsets, err)
			}
			return v.Lookup.Version, changed, a.newest("cities").Refresh
		}
		a.with("q", func() *fakeAnswer {
			return counts([]cube.LookupCover{{Table: "t", Offsets: "0:100,1:50"}}, "Bonn", 0)
		})
		if _, _, err := a.apply("cities", "q"); err != nil {
			t.Fatal(err)
		}
		version := int64(1)
		for _, tt := range []struct {
			offsets string
			stored  bool
		}{
			{"0:90,1:60", false},
			{"0:200", false},
			{"", false},
			{"0:100,1:51,2:1", true},
			{"0:100,1:51", false},
			{"0g1:1,1:51,2:1", true},
			{"0g1:0,1:90,2:9", false},
			{"0g1:1,1:51,2:1", true},
		} {
			if tt.stored {
				version++
			}
			got, changed, r := ask(tt.offsets)
			if got != version || changed != tt.stored || r.Failures != 0 || (r.TriedUs == r.RefreshedUs) != tt.stored {
				t.Errorf("%q: got version %d, changed %t, %+v, want version %d, changed %t", tt.offsets, got, changed, r, version, tt.stored)
			}
		}
		time.Sleep(time.Hour)
		if got, changed, _ := ask("0:1"); got != version+1 || !changed {
			t.Errorf("an hour later: got version %d, changed %t, want a new one", got, changed)
		}
	})
}

// K6: a query that takes longer than it may has failed.
func TestRefreshOutOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsked(t)
		a.with("q", func() *fakeAnswer { return counts(nil, "Bonn", 1) })
		if _, _, err := a.apply("cities", "q"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		a.answers["q"] = func() (lookup.Answer, error) { <-ctx.Done(); return nil, ctx.Err() }
		if _, _, err := a.Refresh(ctx, "default", "cities"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
		}
		if r := a.newest("cities").Refresh; r.Failures != 1 || r.Problem == "" {
			t.Errorf("noted %+v, want a failure", r)
		}
	})
}

// K6: a file's table is not refreshed, and what was applied while the query ran stays.
func TestRefreshGivesWay(t *testing.T) {
	a := newAsked(t)
	file, err := lookup.Read(lookup.Source{Project: "default", Name: "cities", Key: "city", Format: "csv"}, []byte("city\nBonn\n"))
	if err != nil {
		t.Fatal(err)
	}
	apply := func() {
		t.Helper()
		if _, _, err := lookup.Apply(t.Context(), a.Store, a.Catalog, file); err != nil {
			t.Fatal(err)
		}
	}
	apply()
	if _, _, err := a.Refresh(t.Context(), "default", "cities"); !errors.Is(err, lookup.ErrNoQuery) {
		t.Errorf("of a file: got %v, want %v", err, lookup.ErrNoQuery)
	}
	a.with("q", func() *fakeAnswer { return counts(nil, "Kiel", 1) })
	if _, _, err := a.apply("cities", "q"); err != nil {
		t.Fatal(err)
	}
	a.answers["q"] = func() (lookup.Answer, error) { apply(); return counts(nil, "Kiel", 2), nil }
	var other *catalog.ConflictError
	if _, _, err := a.Refresh(t.Context(), "default", "cities"); !errors.As(err, &other) {
		t.Errorf("a file was applied meanwhile: got %v, want a ConflictError", err)
	}
	if v := a.newest("cities"); v.Lookup.Version != 3 || v.Lookup.Query != nil || v.Refresh.Failures != 0 {
		t.Errorf("newest: got %+v, want the file without a failure", v)
	}
	// Of two that refresh at once one stores its version.
	if _, _, err := a.apply("cities", "q2"); err == nil {
		t.Error("there is no q2")
	}
	a.with("q2", func() *fakeAnswer { return counts(nil, "Kiel", 1) })
	if _, _, err := a.apply("cities", "q2"); err != nil {
		t.Fatal(err)
	}
	n := 10
	a.answers["q2"] = func() (lookup.Answer, error) {
		if n++; n == 11 {
			if _, changed, err := a.Refresh(t.Context(), "default", "cities"); err != nil || !changed {
				t.Errorf("the second, which is faster: changed %t, %v", changed, err)
			}
			return counts(nil, "Kiel", 11), nil
		}
		return counts(nil, "Kiel", n), nil
	}
	if _, _, err := a.Refresh(t.Context(), "default", "cities"); !errors.As(err, &other) {
		t.Errorf("the first, which is slower: got %v, want a ConflictError", err)
	}
	if v := a.newest("cities"); v.Lookup.Version != 5 || v.Refresh.Failures != 0 {
		t.Errorf("newest: got %+v, want version 5 without a failure", v)
	}
}

// K3, K6: a refresh that meets a fault of the store leaves the newest version, and the next one is as if nothing had been.
func TestRefreshCrashes(t *testing.T) {
	for _, after := range []bool{false, true} {
		for i := 0; ; i++ {
			a := newAsked(t)
			n := 1
			a.with("q", func() *fakeAnswer { return counts(nil, "Kiel", n) })
			if _, _, err := a.apply("cities", "q"); err != nil {
				t.Fatal(err)
			}
			n = 2
			mem := a.Store
			st := &faultblob.Store{Store: mem, At: i, After: after}
			a.Store = st
			_, changed, err := a.Refresh(t.Context(), "default", "cities")
			if !st.Fired() {
				if err != nil || !changed {
					t.Fatalf("without a fault: changed %t, %v", changed, err)
				}
				break
			}
			if v := a.newest("cities"); err == nil || v.Lookup.Version != 1 || v.Refresh.Failures != 1 {
				t.Errorf("fault %d (after=%t): %v, newest %+v, want version 1 with a failure", i, after, err, v)
			}
			a.Store = mem
			if v, changed, err := a.Refresh(t.Context(), "default", "cities"); err != nil || !changed || v.Lookup.Version != 2 {
				t.Errorf("after fault %d (after=%t): version %d, changed %t, %v", i, after, v.Lookup.Version, changed, err)
			}
		}
	}
}

// The moment of a snapshot is when it was asked.
func TestMomentOfAnswer(t *testing.T) {
	a := newAsked(t)
	a.with("q", func() *fakeAnswer { return counts(nil, "Kiel", 1) })
	before := time.Now().Add(-time.Microsecond)
	v, _, err := a.apply("cities", "q")
	if at := v.Lookup.Query.At; err != nil || at.Before(before) || at.After(time.Now()) || at.Location() != time.UTC {
		t.Errorf("at: got %v, %v, want a time from %v on, in UTC", at, err, before)
	}
}
