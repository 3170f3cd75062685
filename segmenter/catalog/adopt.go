package catalog

import (
	"context"
	"errors"
)

// AdoptID gives an empty catalog the id of the one that it takes the place of, so that the store takes it for its own. A
// catalog that holds anything is a *ConflictError. It is called right after Open, before anybody else uses c.
func (c *Catalog) AdoptID(ctx context.Context, id string) error {
	if id == "" {
		return errors.New("catalog: adopt id: it is empty")
	}
	err := c.write(ctx, "adopt id", func(t *tx) error {
		if err := t.wantEmpty(); err != nil {
			return err
		}
		_, err := t.exec(`UPDATE catalog SET id = $1 WHERE one = 1`, id)
		return err
	})
	if err == nil {
		c.id = id
	}
	return err
}
