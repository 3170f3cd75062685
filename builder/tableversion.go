package builder

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// tableNote is the note with the version of the table that the engine was given: the types of the cuboids' columns. A
// manifest without it has no cuboids, or was written before the note was.
const tableNote = "table_version"

func noteTable(m *segmenter.Manifest, version int) {
	if m.Notes == nil {
		m.Notes = segmenter.Notes{}
	}
	m.Notes[tableNote] = json.RawMessage(strconv.Itoa(version))
}

// tableVersion reads the note; 0: there is none.
func tableVersion(m *segmenter.Manifest) int {
	n, err := strconv.Atoi(string(m.Notes[tableNote]))
	if err != nil {
		return 0
	}
	return n
}

// tableOf returns the version of the table that a segment is made with: the newest that has all columns of the cube, with the
// types that they have in everything that is read. A column that the table has no more is null in what was staged without it.
// Where a type has changed in the middle of what is read there is no such version, and the *FinalError says what to do. read are the
// versions that were read, newest first.
func (b *Builder) tableOf(ctx context.Context, tableID string, def *cube.Cube, read []int, logf func(string, ...any)) (*cube.Table, error) {
	newest, err := b.o.Catalog.TableByID(ctx, tableID, 0)
	if err != nil {
		return nil, err
	}
	list := []tableColumns{columnsOf(def, newest)}
	lacks := list[0].lacks()
	for _, v := range read {
		if v == newest.Version {
			list[0].read = true
			continue
		}
		old, err := b.o.Catalog.TableByID(ctx, tableID, v)
		if errors.Is(err, catalog.ErrNotFound) { // a catalog that was rebuilt without it; the engine looks at what is read
			continue
		}
		if err != nil {
			return nil, err
		}
		c := columnsOf(def, old)
		c.read = true
		list = append(list, c)
	}
	for v := newest.Version - 1; lacks != "" && v > 0; v-- {
		old, err := b.o.Catalog.TableByID(ctx, tableID, v)
		if err != nil && !errors.Is(err, catalog.ErrNotFound) {
			return nil, err
		}
		if err != nil {
			continue
		}
		c := columnsOf(def, old)
		list = append(list, c)
		if c.lacks() == "" {
			logf("table %s has no column %s since version %d: it is null in events that were staged without it", newest.Name, lacks, v+1)
			break
		}
	}
	return chooseTable(list)
}

// versionsRead are the versions of the table that files and segments were written with, newest first.
func versionsRead(in EngineInput) (list []int) {
	for _, e := range in.Rows {
		if e.File != nil {
			list = append(list, e.File.Schema)
		}
		for _, s := range e.Supplements {
			list = append(list, s.File.Schema)
		}
	}
	for _, m := range in.Merged {
		list = append(list, tableVersion(m))
	}
	return newestFirst(list)
}

// newestFirst leaves out what is no version.
func newestFirst(list []int) []int {
	list = slices.DeleteFunc(slices.Clone(list), func(v int) bool { return v < 1 })
	slices.SortFunc(list, func(a, b int) int { return cmp.Compare(b, a) })
	return slices.Compact(list)
}

// tableColumns is a version of a table with the columns that a cube reads; one that it has not is nil.
type tableColumns struct {
	def    *cube.Table
	read   bool // something was written with it
	fields map[string]*stage.Field
}

func columnsOf(c *cube.Cube, t *cube.Table) tableColumns {
	out, s := tableColumns{def: t, fields: map[string]*stage.Field{}}, stage.NewSchema(t)
	add := func(name string) {
		if at := s.Field(name); at >= 0 {
			out.fields[name] = &s.Fields[at]
		} else if name != "" {
			out.fields[name] = nil
		}
	}
	for _, d := range c.Dimensions {
		add(d.Column)
	}
	for _, m := range c.Measures {
		add(m.Column)
		for _, name := range m.By {
			add(name)
		}
	}
	return out
}

// chooseTable chooses among the newest version and those of what is read, which come behind it. What is wrong with the newest
// is said where none will do.
func chooseTable(list []tableColumns) (*cube.Table, error) {
	var why error
	for _, t := range list {
		err := t.reads(list)
		if err == nil {
			return t.def, nil
		}
		if why == nil {
			why = err
		}
	}
	return nil, &FinalError{why}
}

// reads says why what was written with other versions cannot be read with this one. A column that another one has not is null
// there.
func (t tableColumns) reads(list []tableColumns) error {
	if name := t.lacks(); name != "" {
		return fmt.Errorf("table %s has no column %s in version %d: change the cube, or add the column", t.def.Name, name, t.def.Version)
	}
	for _, name := range slices.Sorted(maps.Keys(t.fields)) {
		mine := t.fields[name]
		for _, o := range list {
			if f := o.fields[name]; o.read && f != nil && !sameStored(f, mine) {
				return fmt.Errorf("column %s is %s in what was staged or built with version %d of table %s, and %s in version %d: "+
					"read the older offsets again (tidemark table reread), or give the column its type back and the new values a column of their own",
					name, f.Type, o.def.Version, t.def.Name, mine.Type, t.def.Version)
			}
		}
	}
	return nil
}

// lacks names a column that the version has not; "": it has all.
func (t tableColumns) lacks() string {
	names := []string{}
	for name, f := range t.fields {
		if f == nil {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return slices.Min(names)
}

// sameStored reports whether values of two fields have one form: how they are written in events does not matter.
func sameStored(a, b *stage.Field) bool {
	return a.Kind == b.Kind && a.Type.Kind == b.Type.Kind && a.Type.Scale == b.Type.Scale
}
