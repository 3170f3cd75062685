package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// storeDefinition writes one version of a definition to the store. A second time it compares: same reports whether what
// is there says the same in other bytes, as an earlier version of this program may have written it (R5).
func (s *Server) storeDefinition(ctx context.Context, key string, def any, same func(*json.Decoder) bool) error {
	text, err := json.MarshalIndent(def, "", "  ")
	if err != nil {
		return fmt.Errorf("definition %s: %w", key, err)
	}
	err = blob.CreateSame(ctx, s.opts.Store, key, bytes.NewReader(append(text, '\n')))
	if errors.Is(err, blob.ErrExists) && s.stored(ctx, key, same) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("store definition %s: %w", key, err)
	}
	return nil
}

func (s *Server) stored(ctx context.Context, key string, same func(*json.Decoder) bool) bool {
	r, err := s.opts.Store.Open(ctx, key, 0, s.opts.MaxBody)
	if err != nil {
		return false
	}
	defer r.Close()
	return same(json.NewDecoder(r))
}

// StoreDefinition writes one version of a table's definition to the store.
func (s *Server) StoreDefinition(ctx context.Context, def *cube.Table) error {
	return s.storeDefinition(ctx, fmt.Sprintf("tables/%s/v%d.json", def.ID, def.Version), def, func(d *json.Decoder) bool {
		old := new(cube.Table)
		return d.Decode(old) == nil && old.ID == def.ID && old.Version == def.Version && cube.SameDefinition(old, def)
	})
}

// StoreCube writes one version of a cube's definition to the store.
func (s *Server) StoreCube(ctx context.Context, def *cube.Cube) error {
	return s.storeDefinition(ctx, fmt.Sprintf("cubes/%s/v%d.json", def.ID, def.Version), def, func(d *json.Decoder) bool {
		old := new(cube.Cube)
		return d.Decode(old) == nil && old.ID == def.ID && old.Version == def.Version && cube.SameCube(old, def)
	})
}

// StoreDefinitions writes every version of every table and cube that the store lacks: what an apply that was killed left
// out.
func (s *Server) StoreDefinitions(ctx context.Context) error {
	tables, err := s.opts.Catalog.Tables(ctx, "")
	if err != nil {
		return err
	}
	for _, t := range tables {
		versions, err := s.opts.Catalog.TableVersions(ctx, t.ID)
		if err != nil {
			return err
		}
		for _, v := range versions {
			if err := s.StoreDefinition(ctx, v); err != nil {
				return err
			}
		}
	}
	cubes, err := s.opts.Catalog.Cubes(ctx, "")
	if err != nil {
		return err
	}
	for _, c := range cubes {
		versions, err := s.opts.Catalog.CubeVersions(ctx, c.Cube.ID)
		if err != nil {
			return err
		}
		for _, v := range versions {
			if err := s.StoreCube(ctx, v); err != nil {
				return err
			}
		}
	}
	return nil
}
