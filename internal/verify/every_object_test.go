//go:build !race

// A verification for each damage of each object: one of them shows the race detector as much, and others do.

package verify_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/lookup"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/verify"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// finishedSite has an object of every kind that a store can have.
func finishedSite(t *testing.T) (s *site, cubeID string) {
	t.Helper()
	s, cubeID, _ = builtSite(t, "parquet")
	s.words("a", "b")
	s.segment(cubeID, build{v: segmenter.Vector{line(0, 120, 124), line(1, 65, 80)}, cuboids: true})
	gone, err := cube.ParseTable([]byte(strings.Replace(tableYAML("parquet", "n"), "table: events\ntopic: events", "table: gone\ntopic: gone", 1)), "gone.yaml")
	must(t, err)
	s.with(func(cat *catalog.Catalog, st blob.Store) {
		ctx := t.Context()
		words, err := lookup.Read(lookup.Source{Project: "default", Name: "words", Format: "csv", Key: "k"}, []byte("k,v\n1,one\n2,two\n"))
		must(t, err)
		_, _, err = lookup.Apply(ctx, st, cat, words)
		must(t, err)
		applied, err := cat.ApplyTable(ctx, gone)
		must(t, err)
		s.define(st, fmt.Sprintf("tables/%s/v1.json", applied.Table.ID), applied.Table)
		must(t, cat.DropTable(ctx, "default", "gone"))
		must(t, cat.Retire(ctx, cubeID, []int64{6}, "dropped by ann"))
		b, err := builder.New(builder.Options{Catalog: cat, Store: st, Node: "n1"})
		must(t, err)
		_, err = b.Backup(ctx)
		must(t, err)
		u, err := cat.Unmarked(ctx, 100)
		must(t, err)
		for _, id := range u.Tables {
			s.mark(st, "tables/"+id, segmenter.Dropped{Kind: "table", ID: id})
		}
		for _, x := range u.Segments {
			s.mark(st, segmenter.SegmentFolder(x.CubeID, x.ID, x.Attempt), segmenter.Dropped{
				Kind: "segment", ID: x.ID, Number: x.Number, Reason: x.RetireReason, RetiredUs: x.RetiredUs, Front: []byte(`{"revision":1234,"ranges":null}`),
			})
		}
		must(t, cat.Marked(ctx, u))
	})
	return s, cubeID
}

// mark writes a marker as the builder does.
func (s *site) mark(st blob.Store, folder string, d segmenter.Dropped) {
	s.t.Helper()
	text, err := d.Encode()
	must(s.t, err)
	must(s.t, st.Create(s.t.Context(), folder+"/"+segmenter.DroppedName, bytes.NewReader(text)))
}

// kinds are the kinds of objects by their names, in the order in which they are tried.
func objectKinds() []struct{ name, pattern string } {
	return []struct{ name, pattern string }{
		{"marker of the store", `^tidemark-store\.json$`},
		{"marker of what was dropped", `/dropped\.json$`},
		{"definition of a table", `^tables/`},
		{"definition of a cube", `^cubes/`},
		{"supplement", `^staged/.*/supplement-`},
		{"staged file", `^staged/`},
		{"quarantine", `^quarantine/`},
		{"ledger", `^ledger/`},
		{"dictionary", `^dictionaries/`},
		{"lookup", `^lookups/`},
		{"manifest", `^segments/.*/manifest\.json$`},
		{"cuboids", `^segments/.*\.parquet$`},
		{"backup", `^backup/`},
	}
}

// Every object of a store is proved: with a bit flipped, gone, longer or edited it is named, and nothing else is. Left out are the
// folders of segments that were replaced or dropped, which nothing reads and clean-up removes, but for their markers; and that a
// backup is gone, since nothing names backups.
func TestEveryObject(t *testing.T) {
	s, cubeID := finishedSite(t)
	var keys []string
	dead := map[string]bool{}
	s.with(func(cat *catalog.Catalog, st blob.Store) {
		for o, err := range st.List(t.Context(), "") {
			must(t, err)
			keys = append(keys, o.Key)
		}
		retired, err := cat.RetiredSegments(t.Context(), 1<<62, 100)
		must(t, err)
		for _, x := range retired {
			dead[segmenter.SegmentFolder(cubeID, x.ID, x.Attempt)] = true
		}
	})
	if len(dead) != 3 {
		t.Fatalf("%d retired segments, want two that were merged and one that was dropped", len(dead))
	}
	s.clean(s.verify())
	seen := map[string]int{}
	for _, key := range keys {
		i := slices.IndexFunc(objectKinds(), func(k struct{ name, pattern string }) bool { return regexp.MustCompile(k.pattern).MatchString(key) })
		if i < 0 {
			t.Errorf("%s is an object of no kind that this test knows", key)
			continue
		}
		kind := objectKinds()[i].name
		if dead[filepath.Dir(key)] && kind != "marker of what was dropped" {
			continue
		}
		if seen[kind]++; seen[kind] > 2 {
			continue // as the two before it
		}
		t.Run(strings.ReplaceAll(kind, " ", "_"), func(t *testing.T) { s.everyDamage(t, kind, key) })
	}
	for _, k := range objectKinds() {
		if seen[k.name] == 0 {
			t.Errorf("the store has no object of kind %s", k.name)
		}
	}
}

// everyDamage damages an object in every way.
func (s *site) everyDamage(t *testing.T, kind, key string) {
	data, err := os.ReadFile(s.path(key))
	must(t, err)
	defer func() { must(t, os.WriteFile(s.path(key), data, 0o600)) }()
	named := func(how string) {
		t.Helper()
		r := s.verify(func(o *verify.Options) { o.SecondReader = -1 })
		if len(r.Problems) != 1 || r.Problems[0].File != key || r.OK || r.Problems[0].Do == "" || r.Problems[0].Message == "" {
			t.Errorf("%s %s %s: got problems %v, want one that names it", kind, key, how, r.Problems)
		}
	}
	for _, at := range []int{len(data) / 3, len(data) - 2} {
		bad := bytes.Clone(data)
		bad[at] ^= 1
		must(t, os.WriteFile(s.path(key), bad, 0o600))
		named(fmt.Sprintf("with byte %d of %d changed", at, len(data)))
	}
	must(t, os.WriteFile(s.path(key), append(bytes.Clone(data), ' '), 0o600))
	named("with a byte more")
	if strings.HasSuffix(key, ".json") {
		bad := editNumber(data)
		must(t, os.WriteFile(s.path(key), bad, 0o600))
		named("with another number in it")
	}
	if kind != "backup" {
		must(t, os.Remove(s.path(key)))
		named("gone")
	}
}

// editNumber makes the last number of a JSON text one more.
func editNumber(text []byte) []byte {
	out := bytes.Clone(text)
	all := regexp.MustCompile(`":\s*(\d+)`).FindAllSubmatchIndex(text, -1)
	if len(all) == 0 {
		return append(out, '0')
	}
	last := all[len(all)-1][3] - 1
	out[last] = '0' + (out[last]-'0'+1)%10
	return out
}
