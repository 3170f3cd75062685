package builder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// StoreDefinition writes one version of a cube's definition to the store, for Rebuild. A second time it compares.
func (b *Builder) StoreDefinition(ctx context.Context, def *cube.Cube) error {
	text, err := json.MarshalIndent(def, "", "  ")
	if err != nil {
		return fmt.Errorf("definition of cube %s: %w", def.ID, err)
	}
	key := fmt.Sprintf("cubes/%s/v%d.json", def.ID, def.Version)
	err = blob.CreateSame(ctx, b.o.Store, key, bytes.NewReader(append(text, '\n')))
	if errors.Is(err, blob.ErrExists) && b.stored(ctx, key, def) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("store definition %s: %w", key, err)
	}
	return nil
}

// stored reports whether key holds def in other bytes: an earlier version of this program may have spelled it otherwise.
func (b *Builder) stored(ctx context.Context, key string, def *cube.Cube) bool {
	r, err := b.o.Store.Open(ctx, key, 0, -1)
	if err != nil {
		return false
	}
	defer r.Close()
	old := new(cube.Cube)
	if json.NewDecoder(r).Decode(old) != nil {
		return false
	}
	was, err := json.Marshal(old)
	if err != nil {
		return false
	}
	now, err := json.Marshal(def)
	return err == nil && bytes.Equal(was, now)
}

// storeDefinitions writes every version of a cube that this process has not seen in the store: what an apply that was
// killed left out.
func (b *Builder) storeDefinitions(ctx context.Context, cubeID string, version int) error {
	b.upkeep.mu.Lock()
	stored := b.upkeep.stored[cubeID]
	b.upkeep.mu.Unlock()
	if stored >= version {
		return nil
	}
	list, err := b.o.Catalog.CubeVersions(ctx, cubeID)
	if err != nil {
		return err
	}
	for _, def := range list {
		if def.Version > stored {
			if err := b.StoreDefinition(ctx, def); err != nil {
				return err
			}
		}
	}
	b.upkeep.mu.Lock()
	b.upkeep.stored[cubeID] = version
	b.upkeep.mu.Unlock()
	return nil
}
