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

// StoreDefinition writes one version of a definition to the store. A second time it compares (R5).
func (s *Server) StoreDefinition(ctx context.Context, def *cube.Table) error {
	text, err := json.MarshalIndent(def, "", "  ")
	if err != nil {
		return fmt.Errorf("definition of table %s: %w", def.ID, err)
	}
	key := fmt.Sprintf("tables/%s/v%d.json", def.ID, def.Version)
	err = blob.CreateSame(ctx, s.opts.Store, key, bytes.NewReader(append(text, '\n')))
	if errors.Is(err, blob.ErrExists) && s.stored(ctx, key, def) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("store definition %s: %w", key, err)
	}
	return nil
}

// stored reports whether key holds def in other bytes: an earlier version of this program may have spelled it otherwise.
func (s *Server) stored(ctx context.Context, key string, def *cube.Table) bool {
	r, err := s.opts.Store.Open(ctx, key, 0, s.opts.MaxBody)
	if err != nil {
		return false
	}
	defer r.Close()
	old := new(cube.Table)
	return json.NewDecoder(r).Decode(old) == nil && old.ID == def.ID && old.Version == def.Version && cube.SameDefinition(old, def)
}

// StoreDefinitions writes every version of every table that the store lacks: what an apply that was killed left out.
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
	return nil
}
