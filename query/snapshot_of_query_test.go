package query_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tidemarkdb/tidemark/builder/lookup"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// asAnswer is an answer that becomes a lookup table.
type asAnswer struct{ a *query.Answer }

func (x asAnswer) Schema() *arrow.Schema       { return x.a.Schema }
func (x asAnswer) Next() (arrow.Record, error) { return x.a.Next() }
func (x asAnswer) Close() error                { return x.a.Close() }
func (x asAnswer) Covers() (list []cube.LookupCover) {
	for _, t := range x.a.Tables {
		c := cube.LookupCover{Table: t.Table}
		var ends []string
		for _, o := range t.Completeness.Offsets {
			ends = append(ends, fmt.Sprintf("%d:%d", o.Partition, o.End))
		}
		c.Offsets = strings.Join(ends, ",")
		list = append(list, c)
	}
	for _, v := range x.a.Lookups() {
		list = append(list, cube.LookupCover{Lookup: v.Lookup.Name, Version: v.Lookup.Version})
	}
	return list
}

func (w *world) lookupQueries(e *query.Engine) lookup.Queries {
	return lookup.Queries{Catalog: w.cat, Store: w.store, Ask: func(ctx context.Context, project, sql string) (lookup.Answer, error) {
		a, err := e.Query(ctx, query.Request{SQL: sql, Project: project})
		if err != nil {
			return nil, err
		}
		return asAnswer{a}, nil
	}}
}

// perDevice has no sum of floats: its last digits depend on the order of adding, and so may differ from one time to the next.
const perDevice = `SELECT device, count(*) AS events, sum(bytes) AS bytes, max(ts) AS newest, max(latency) AS latency, min(day) AS first_day, max(price) AS dearest,
	bool_or(ok) AS was_ok FROM shop WHERE device IS NOT NULL GROUP BY device`

const devicesYAML = `
cube: devices_cube
table: shop
dimensions: [device, country]
lookups: [{lookup: per_device, foreign_key: device, derived: [events]}]
`

// A lookup table of a query has the rows that DuckDB has of it over the raw events, tail included, and a join with it is that of DuckDB:
// when it is made, when it is made again of more events, and for an engine that starts then.
func TestLookupOfQuery(t *testing.T) {
	w := newWorld(t, 11, 500, 300)
	p, q := w.parts[0], w.parts[1]
	w.events.most = 700
	w.stage(p, 300)
	w.stage(q, 200)
	w.apply(cubeYAML, w.firsts())
	w.build("sales", segmenter.Vector{p.line(0, 150), q.line(0, 100)}, false)
	w.remember(p, 300, 64)
	w.remember(q, 200, 64)
	o := newOracle(w)
	of := w.lookupQueries(o.native)
	check := func(when string, engines ...*query.Engine) {
		t.Helper()
		o.exec("CREATE OR REPLACE TABLE per_device AS " + perDevice)
		for _, sql := range []string{
			"SELECT * FROM per_device",
			"SELECT s.country, d.events, count(*), sum(s.bytes) FROM shop s JOIN per_device d ON s.device = d.device GROUP BY ALL",
			"SELECT d.newest, d.was_ok, d.dearest, count(*) FROM shop s LEFT JOIN per_device d ON s.device = d.device GROUP BY ALL",
			"SELECT c.continent, max(d.latency), count(*) FROM shop s JOIN countries c ON s.country = c.code JOIN per_device d USING (device) GROUP BY 1",
			"SELECT s.page, d.first_day FROM shop s, per_device d WHERE s.device = d.device AND d.bytes > 1000 AND s.status = 200",
		} {
			want, err := o.want(sql)
			must(t, err)
			for _, e := range engines {
				if got, err := o.got(e, query.Request{SQL: sql}); err != nil {
					t.Errorf("%s: %s: %v", when, sql, err)
				} else if d := differ(want, got, terms{}); d != "" {
					t.Errorf("%s: %s (by %s): %s", when, sql, got.by, d)
				}
			}
		}
	}
	s, err := of.Read(t.Context(), lookup.Source{Project: "default", Name: "per_device", Key: "device", Query: &cube.LookupQuery{SQL: perDevice}})
	must(t, err)
	v, _, err := lookup.Apply(t.Context(), w.store, w.cat, s)
	must(t, err)
	if c := v.Lookup.Query.Covers; len(c) != 1 || c[0] != (cube.LookupCover{Table: "shop", Offsets: fmt.Sprintf("0:%d,1:%d", p.end(), q.end())}) {
		t.Errorf("covers: got %+v, want all of shop", c)
	}
	check("made", o.native, o.bare)
	if _, changed, err := of.Refresh(t.Context(), "default", "per_device"); err != nil || changed {
		t.Errorf("of the same events: changed %t, %v, want no change", changed, err)
	}
	before := p.end()
	w.grow(p, 200)
	o.load(&part{n: p.n, first: before, records: p.records[before-p.first:]})
	v, changed, err := of.Refresh(t.Context(), "default", "per_device")
	if err != nil || !changed || v.Lookup.Version != 2 || v.Lookup.Query.Covers[0].Offsets != fmt.Sprintf("0:%d,1:%d", before+200, q.end()) {
		t.Fatalf("of more events: %+v, changed %t, %v, want version 2", v.Lookup.Query, changed, err)
	}
	check("refreshed", o.native, o.bare, w.engine(w.cat, w.store, 2))
}

// What a statement reads of lookup tables it says, however it reads them, and none is made of itself.
func TestLookupsOfStatements(t *testing.T) {
	w := newWorld(t, 11, 60)
	t.Cleanup(func() { must(t, w.cat.Close()) })
	e := w.limited(query.Options{})
	of := w.lookupQueries(e)
	s, err := of.Read(t.Context(), lookup.Source{Project: "default", Name: "per_device", Key: "device", Query: &cube.LookupQuery{SQL: perDevice}})
	must(t, err)
	v, _, err := lookup.Apply(t.Context(), w.store, w.cat, s)
	must(t, err)
	w.looked = append(w.looked, v.Lookup)
	w.apply(devicesYAML, w.firsts())
	for sql, want := range map[string]string{
		"SELECT device, events FROM per_device":                                                                        "per_device",
		"SELECT device, any_value(events) AS events FROM devices_cube GROUP BY device":                                 "per_device",
		"SELECT device, max(c.people) AS m FROM shop s JOIN countries c ON s.country = c.code GROUP BY device":         "countries",
		"SELECT d.device, count(*) AS n FROM per_device d, countries c GROUP BY 1":                                     "countries per_device",
		"SELECT device, count(*) AS n FROM devices_cube WHERE device IS NOT NULL GROUP BY device":                      "",
		"SELECT device, 1 AS one FROM (SELECT DISTINCT device FROM shop WHERE device IN (SELECT device FROM devices))": "devices",
	} {
		a, err := e.Query(t.Context(), query.Request{SQL: sql})
		must(t, err)
		var names []string
		for _, l := range a.Lookups() {
			names = append(names, l.Lookup.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s\nreads %q, want %q", sql, got, want)
		}
		must(t, a.Close())
		if !strings.Contains(want, "per_device") {
			continue
		}
		_, err = of.Read(t.Context(), lookup.Source{Project: "default", Name: "per_device", Key: "device", Query: &cube.LookupQuery{SQL: sql}})
		if err == nil || !strings.Contains(err.Error(), "made of itself") {
			t.Errorf("%s\nfor per_device: %v, want it refused", sql, err)
		}
	}
}

// What gives another answer each time is known of a statement.
func TestRandomOfStatements(t *testing.T) {
	w := newWorld(t, 3, 30)
	t.Cleanup(func() { must(t, w.cat.Close()) })
	e := w.limited(query.Options{})
	for sql, want := range map[string]string{
		"SELECT random() AS r":                                     "random()",
		"SELECT count(*) FROM shop WHERE random() < 0.5":           "random()",
		"SELECT * FROM (SELECT uuid() AS u FROM shop)":             "uuid()",
		"SELECT * FROM shop USING SAMPLE 3":                        "USING SAMPLE",
		"SELECT now() AS n, current_date AS d, count(*) FROM shop": "",
		"SELECT country, count(*) FROM shop GROUP BY 1":            "",
	} {
		a, err := e.Query(t.Context(), query.Request{SQL: sql})
		must(t, err)
		if got := a.Random(); got != want {
			t.Errorf("%s: got %q, want %q", sql, got, want)
		}
		must(t, a.Close())
	}
}
