package builder

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Rebuilt is what was found in a store.
type Rebuilt struct {
	Tables      int      `json:"tables"`
	Rows        int      `json:"rows"` // of ledgers
	Supplements int      `json:"supplements"`
	Cubes       int      `json:"cubes"`
	Segments    int      `json:"segments"`
	Slices      int      `json:"slices"`  // of dictionaries
	Lookups     int      `json:"lookups"` // versions of lookup tables
	Ignored     []string `json:"ignored"` // files that were not taken, and why
	Warnings    []string `json:"warnings"`
}

// Rebuild fills an empty catalog from the files of a store alone (B8). Users, jobs and history are not in files. What was
// dropped stays so where its marker was written. Of two that have one name the younger has it, the other is in Ignored. Files that overlap what was taken are in Ignored: of two ledger rows
// over the same offsets the one that a manifest names goes first, then the higher epoch; of two segments the higher
// attempt. tables may be nil: then what lies in HBase is taken as manifests say, and there is a warning where they say so. Nobody
// else may use the catalog meanwhile.
func Rebuild(ctx context.Context, st blob.Store, tables Tables, c *catalog.Catalog) (*Rebuilt, error) {
	r := &rebuilding{st: st, store: tables, res: &Rebuilt{Ignored: []string{}, Warnings: []string{}}, cubes: map[string]*cubeFiles{}, tables: map[string]*tableFiles{}}
	for _, step := range []func(context.Context) error{r.definitions, r.listTables, r.manifests, r.dictionaries, r.readLookups, r.ledgers, r.supplements} {
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("rebuild the catalog: %w", err)
		}
	}
	id, err := blob.ReadClaim(ctx, st)
	if err == nil {
		err = c.AdoptID(ctx, id)
	} else if errors.Is(err, blob.ErrNotFound) {
		err = nil // a store that no catalog has claimed: the new one may
	}
	if err != nil {
		return nil, fmt.Errorf("rebuild the catalog: %w", err)
	}
	if err := c.Import(ctx, r.fill); err != nil {
		return nil, fmt.Errorf("rebuild the catalog: %w", err)
	}
	return r.res, nil
}

// rebuilding gathers what the files say.
type rebuilding struct {
	st       blob.Store
	store    Tables           // nil: no HBase is configured
	stored   map[string]bool  // names of its tables
	attempts map[string]int64 // highest in the names of tables, by cube
	unseen   int              // segments that are in force and whose tables could not be looked for
	res      *Rebuilt
	tables   map[string]*tableFiles
	cubes    map[string]*cubeFiles
	lookups  []catalog.LookupVersion // by table, in order
	named    map[string]string       // sha256 of the files that manifests name, by key
}

func (r *rebuilding) ignore(format string, args ...any) {
	r.res.Ignored = append(r.res.Ignored, fmt.Sprintf(format, args...))
}

// maxDefinitionBytes bounds what is read of a definition.
const maxDefinitionBytes = 16 << 20

// definitions reads tables/<id>/v<n>.json and cubes/<id>/v<n>.json.
func (r *rebuilding) definitions(ctx context.Context) error {
	for o, err := range r.st.List(ctx, "tables/") {
		if err != nil {
			return err
		}
		if id, ok := droppedID(o.Key); ok {
			r.table(id).dropped = true
			continue
		}
		def := new(cube.Table)
		id, version, ok, err := r.definition(ctx, o.Key, def)
		if err != nil {
			return err
		}
		if ok {
			def.ID, def.Version = id, version
			t := r.table(id)
			t.versions = append(t.versions, def)
			t.made = earlier(t.made, o)
		}
	}
	for o, err := range r.st.List(ctx, "cubes/") {
		if err != nil {
			return err
		}
		if id, ok := droppedID(o.Key); ok {
			r.cube(id).dropped = true
			continue
		}
		def := new(cube.Cube)
		id, version, ok, err := r.definition(ctx, o.Key, def)
		if err != nil {
			return err
		}
		if ok {
			def.ID, def.Version = id, version
			c := r.cube(id)
			c.versions[version] = def
			c.made = earlier(c.made, o)
		}
	}
	for _, t := range r.tables {
		slices.SortFunc(t.versions, func(a, b *cube.Table) int { return a.Version - b.Version })
	}
	return nil
}

// droppedID reads the key of the marker of a dropped table or cube.
func droppedID(key string) (id string, ok bool) {
	parts := strings.Split(key, "/")
	if len(parts) != 3 || parts[2] != segmenter.DroppedName {
		return "", false
	}
	return parts[1], true
}

// first puts what is dropped before what may have its name.
func first(dropped bool) int {
	if dropped {
		return 1
	}
	return 0
}

func earlier(us int64, o blob.Object) int64 {
	if at := o.ModTime.UnixMicro(); us == 0 || at < us {
		return at
	}
	return us
}

func (r *rebuilding) definition(ctx context.Context, key string, def any) (id string, version int, ok bool, err error) {
	parts := strings.Split(key, "/")
	name, isJSON := strings.CutSuffix(path.Base(key), ".json")
	number, isVersion := strings.CutPrefix(name, "v")
	version, parseErr := strconv.Atoi(number)
	if len(parts) != 3 || !isJSON || !isVersion || parseErr != nil || version < 1 {
		r.ignore("%s: it is no definition", key)
		return "", 0, false, nil
	}
	text, err := r.read(ctx, key, maxDefinitionBytes)
	if err != nil {
		return "", 0, false, err
	}
	if err := json.Unmarshal(text, def); err != nil {
		r.ignore("%s: %v", key, err)
		return "", 0, false, nil
	}
	return parts[1], version, true, nil
}

func (r *rebuilding) read(ctx context.Context, key string, limit int64) ([]byte, error) {
	body, err := r.st.Open(ctx, key, 0, -1)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("it has more than %d bytes", limit)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return text, nil
}

// digest returns size and sha256 of an object; those that a manifest names need not be read.
func (r *rebuilding) digest(ctx context.Context, key string, size int64) (string, error) {
	if sum, ok := r.named[key]; ok {
		return sum, nil
	}
	return digest(ctx, r.st, key, size)
}

func digest(ctx context.Context, st blob.Store, key string, size int64) (string, error) {
	body, err := st.Open(ctx, key, 0, -1)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", key, err)
	}
	defer body.Close()
	h := sha256.New()
	n, err := io.Copy(h, body)
	if err == nil && n != size {
		err = fmt.Errorf("%d bytes came, %d were listed", n, size)
	}
	if err != nil {
		return "", fmt.Errorf("read %s: %w", key, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func (r *rebuilding) table(id string) *tableFiles {
	if r.tables[id] == nil {
		r.tables[id] = &tableFiles{id: id, epochs: map[int32]int64{}, quarantine: map[string]blob.Object{}}
	}
	return r.tables[id]
}

func (r *rebuilding) cube(id string) *cubeFiles {
	if r.cubes[id] == nil {
		r.cubes[id] = &cubeFiles{id: id, versions: map[int]*cube.Cube{}, markers: map[string]segmenter.Dropped{}}
	}
	return r.cubes[id]
}

// fill writes what was gathered, the youngest first: it has the name that others had before, and whose drop no file tells.
func (r *rebuilding) fill(i *catalog.Importer) error {
	names := map[string]string{} // ids, by what has the name
	taken := func(id, what string) bool {
		by, ok := names[what]
		if ok {
			r.ignore("%s: %s has its name, %s, and is younger: drop it in the catalog that has it, or use a backup", id, by, what)
		} else {
			names[what] = id
		}
		return ok
	}
	tables := sortedByID(r.tables, func(t *tableFiles) string { return t.id })
	slices.SortStableFunc(tables, func(a, b *tableFiles) int {
		return cmp.Or(first(b.dropped)-first(a.dropped), cmp.Compare(b.made, a.made))
	})
	for _, t := range tables {
		if len(t.versions) == 0 {
			r.ignore("files of table %s: it has no definition below tables/", t.id)
			continue
		}
		last := t.versions[len(t.versions)-1]
		if t.dropped {
			r.ignore("tables/%s: table %s was dropped", t.id, last.Name)
		} else if taken("tables/"+t.id, "table "+last.Project+"/"+last.Name) {
			t.versions = nil
			continue
		}
		if err := t.fill(i, r.res); err != nil {
			return fmt.Errorf("table %s: %w", t.id, err)
		}
		for _, s := range t.slices {
			if err := i.DictionarySlice(s); err != nil {
				return err
			}
			r.res.Slices++
		}
	}
	for _, v := range r.lookups {
		if err := i.Lookup(v); err != nil {
			return fmt.Errorf("lookup %s: %w", v.Lookup.ID, err)
		}
		r.res.Lookups++
	}
	cubes := sortedByID(r.cubes, func(c *cubeFiles) string { return c.id })
	slices.SortStableFunc(cubes, func(a, b *cubeFiles) int { return cmp.Compare(b.made, a.made) })
	for _, c := range cubes {
		if last := c.last(); !c.dropped && last != nil && taken("cubes/"+c.id, "cube "+last.Project+"/"+last.Name) {
			continue
		}
		if err := r.fillCube(i, c); err != nil {
			return fmt.Errorf("cube %s: %w", c.id, err)
		}
	}
	return nil
}

func sortedByID[T any](m map[string]T, id func(T) string) (list []T) {
	for _, v := range m {
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b T) int { return strings.Compare(id(a), id(b)) })
	return list
}
