package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// maxSmallBytes bounds what is read of an object that is one short text.
const maxSmallBytes = 64 << 20

// definition is one version of a definition with its object in the store.
type definition struct {
	key  string
	def  any        // *cube.Table, *cube.Cube
	read func() any // an empty one
}

func tableDefinition(def *cube.Table) definition {
	return definition{fmt.Sprintf("tables/%s/v%d.json", def.ID, def.Version), def, func() any { return new(cube.Table) }}
}

func cubeDefinition(def *cube.Cube) definition {
	return definition{fmt.Sprintf("cubes/%s/v%d.json", def.ID, def.Version), def, func() any { return new(cube.Cube) }}
}

// cubeDefinitions appends those of all versions of cubes.
func (t *tableRun) cubeDefinitions(ctx context.Context, list []definition, cubes []*cubeRun) ([]definition, error) {
	for _, c := range cubes {
		if c.unread != nil {
			continue // it is a problem of its own
		}
		versions, err := t.o.Catalog.CubeVersions(ctx, c.def.ID)
		if err != nil {
			return nil, err
		}
		for _, def := range versions {
			list = append(list, cubeDefinition(def))
		}
	}
	return list, nil
}

// verifyDefinitions proves that the store has every version that the catalog had when the proof began: a catalog that is rebuilt
// has nothing else. It comes last, since what was applied a moment ago is stored a moment later.
func (r *run) verifyDefinitions(ctx context.Context, table string, list []definition) error {
	for _, d := range list {
		why, err := d.check(ctx, r.o.Store)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, blob.ErrNotFound):
			r.note(Problem{Kind: FileMissing, Table: table, Partition: -1, File: d.key, Message: "the store has no such object"})
		case err != nil:
			return err
		case why != "":
			r.note(Problem{Kind: FileChanged, Table: table, Partition: -1, File: d.key, Message: why})
		default:
			r.object1(definitionObject)
		}
	}
	return nil
}

// check says why the object does not hold the definition; "": it does.
func (d definition) check(ctx context.Context, st blob.Store) (why string, err error) {
	text, err := readSmall(ctx, st, d.key)
	if err != nil {
		return "", err
	}
	want, err := json.MarshalIndent(d.def, "", "  ")
	if err != nil {
		return "", err
	}
	if string(text) == string(want)+"\n" {
		return "", nil
	}
	// An earlier version of this program may have spelled it otherwise, with fewer fields.
	old := d.read()
	if err := json.Unmarshal(text, old); err != nil {
		return fmt.Sprintf("it is no definition: %v", err), nil
	}
	now, err := json.Marshal(old)
	if err != nil {
		return "", err
	}
	bare, err := json.Marshal(d.def)
	if err != nil {
		return "", err
	}
	if string(now) != string(bare) {
		return "it is not the definition that the catalog has" + firstOther(now, bare), nil
	}
	if within, err := contains(want, text); err != nil || !within {
		return "it has fields that no definition has", err
	}
	var spelled bytes.Buffer
	if err := json.Indent(&spelled, bytes.TrimSpace(text), "", "  "); err != nil {
		return "", err
	}
	if spelled.String()+"\n" != string(text) {
		return "it is not spelled as a definition is", nil
	}
	return "", nil
}

// firstOther shows where two texts part.
func firstOther(got, want []byte) string {
	at := 0
	for at < len(got) && at < len(want) && got[at] == want[at] {
		at++
	}
	show := func(b []byte) string { return fmt.Sprintf("%.40q", b[min(max(0, at-12), len(b)):]) }
	return fmt.Sprintf(": it says %s, the catalog %s", show(got), show(want))
}

// contains reports whether every field of b is in a with the same value and spelling.
func contains(a, b []byte) (bool, error) {
	var x, y any
	if err := json.Unmarshal(a, &x); err != nil {
		return false, err
	}
	if err := json.Unmarshal(b, &y); err != nil {
		return false, err
	}
	return within(x, y), nil
}

func within(a, b any) bool {
	switch y := b.(type) {
	case map[string]any:
		x, ok := a.(map[string]any)
		for k, v := range y {
			if have, there := x[k]; !there || !within(have, v) {
				return false
			}
		}
		return ok
	case []any:
		x, ok := a.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range y {
			if !within(x[i], y[i]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}

// readSmall reads an object that is one short text.
func readSmall(ctx context.Context, st blob.Store, key string) ([]byte, error) {
	body, err := st.Open(ctx, key, 0, -1)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, maxSmallBytes))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return text, nil
}

// isDefinition reports whether a key is that of a definition.
func isDefinition(key string) bool {
	return (strings.HasPrefix(key, "tables/") || strings.HasPrefix(key, "cubes/")) && strings.Contains(key, "/v")
}
