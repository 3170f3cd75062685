package catalog

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

// wantLookups refuses a definition whose lookup tables are not there, or lack what it derives from them. Who applies it has
// checked that, but they may have been changed since, and an old version that is rolled back to is not checked at all. They
// are locked: a drop waits and then sees the cube.
func (t *tx) wantLookups(def *cube.Cube) error {
	names := def.LookupNames()
	if len(names) == 0 {
		return nil
	}
	_, table, err := t.liveTable(def.Project, def.Table, false)
	if err != nil {
		return err
	}
	slices.Sort(names) // all lock in one order
	var lookups []*cube.Lookup
	for _, name := range names {
		l, err := t.lockLookup(def.Project, name)
		if errors.Is(err, ErrNotFound) {
			continue // the check names it
		}
		if err != nil {
			return err
		}
		lookups = append(lookups, l)
	}
	if why := lookupFault(def, table, lookups); why != "" {
		return &ConflictError{What: "cube " + def.Project + "/" + def.Name, Reason: why}
	}
	return nil
}

// lockLookup returns the newest version of a lookup table.
func (t *tx) lockLookup(project, name string) (*cube.Lookup, error) {
	id, version, err := t.liveLookup(project, name)
	if err != nil {
		return nil, err
	}
	list, err := t.lookupsWhere(`WHERE p.id = $1 AND v.version = $2`, id, version)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("lookup %s/%s: version %d is missing", project, name, version)
	}
	if err != nil {
		return nil, err
	}
	return list[0].Lookup, nil
}

// lookupFault says what is wrong with how a cube names lookup tables; "": nothing.
func lookupFault(def *cube.Cube, table *cube.Table, lookups []*cube.Lookup) string {
	var all *cube.DefinitionError
	if !errors.As(def.Validate(table, lookups...), &all) {
		return ""
	}
	for _, p := range all.Problems {
		if strings.HasPrefix(p.Path, "lookups[") {
			return p.Error()
		}
	}
	return ""
}

// namedBy lists the cubes whose newest version names a lookup table.
func (t *tx) namedBy(project, lookup string) (cubes []*cube.Cube, err error) {
	err = t.each(func(scan func(...any) error) error {
		i, err := scanCubeInfo(scan)
		if err == nil && slices.Contains(i.Cube.LookupNames(), lookup) {
			cubes = append(cubes, i.Cube)
		}
		return err
	}, selectCube+`p.dropped_us = 0 AND p.project = $1 ORDER BY p.name`, project)
	return cubes, err
}

// wantNoCubeBroken refuses a version of a lookup table that lacks what a cube derives from it.
func (t *tx) wantNoCubeBroken(l *cube.Lookup) error {
	cubes, err := t.namedBy(l.Project, l.Name)
	if err != nil {
		return err
	}
	for _, def := range cubes {
		_, table, err := t.liveTable(def.Project, def.Table, false)
		if err != nil {
			return err
		}
		var others []*cube.Lookup
		for _, name := range def.LookupNames() {
			list, err := t.lookupsWhere(`WHERE p.project = $1 AND p.name = $2 AND p.dropped_us = 0 AND v.version = p.version`, l.Project, name)
			if err != nil {
				return err
			}
			for _, v := range list {
				others = append(others, v.Lookup)
			}
		}
		if why := lookupFault(def, table, others); why != "" {
			return &ConflictError{
				What:   "lookup " + l.Project + "/" + l.Name,
				Reason: fmt.Sprintf("cube %s could not use this version (%s): apply it with what the cube needs, or change the cube first", def.Name, why),
			}
		}
	}
	return nil
}

// wantNoCubeNaming refuses to drop a lookup table that cubes need.
func (t *tx) wantNoCubeNaming(project, lookup string) error {
	cubes, err := t.namedBy(project, lookup)
	if err != nil || len(cubes) == 0 {
		return err
	}
	names := make([]string, len(cubes))
	for i, c := range cubes {
		names[i] = c.Name
	}
	what, do := "cube "+names[0]+" names it", "take it out of the cube's lookups first, or drop the cube"
	if len(names) > 1 {
		what, do = "cubes "+strings.Join(names, ", ")+" name it", "take it out of their lookups first, or drop the cubes"
	}
	return &ConflictError{What: "lookup " + project + "/" + lookup, Reason: what + ": " + do}
}
