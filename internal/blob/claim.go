package blob

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// MarkerKey is the object that says which catalog a store belongs to.
const MarkerKey = "tidemark-store.json"

// maxMarkerBytes bounds what is read of a marker that somebody else wrote.
const maxMarkerBytes = 64 << 10

type marker struct {
	Format  int    `json:"format"` // of the store's layout
	Catalog string `json:"catalog"`
}

// ForeignStoreError reports a store that belongs to another catalog. Two catalogs on one store would delete each other's
// files as unreferenced.
type ForeignStoreError struct {
	Catalog, Want string // ids
}

func (e *ForeignStoreError) Error() string {
	return fmt.Sprintf("the store belongs to catalog %s, but the catalog in use is %s: use the catalog (data folder or database) "+
		"that wrote this store, or an empty store", e.Catalog, e.Want)
}

// Marker returns the bytes of the object that says that a store is catalogID's.
func Marker(catalogID string) []byte {
	body, err := json.Marshal(marker{Format: 1, Catalog: catalogID})
	if err != nil {
		panic(err) // a number and a text can always be written
	}
	return append(body, '\n')
}

// Claim marks the store as catalogID's. It is no error if it already is; a *ForeignStoreError if it is another's.
func Claim(ctx context.Context, st Store, catalogID string) error {
	if catalogID == "" {
		return errors.New("claim store: the id of the catalog is empty")
	}
	err := CreateSame(ctx, st, MarkerKey, bytes.NewReader(Marker(catalogID)))
	if !errors.Is(err, ErrExists) {
		return err
	}
	owner, err := ReadClaim(ctx, st)
	if err != nil {
		return err
	}
	if owner != catalogID {
		return &ForeignStoreError{Catalog: owner, Want: catalogID}
	}
	return nil
}

// Belongs reports a *ForeignStoreError where the store is another catalog's. It writes nothing: a store that is nobody's yet stays so.
func Belongs(ctx context.Context, st Store, catalogID string) error {
	owner, err := ReadClaim(ctx, st)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return err
	case owner != catalogID:
		return &ForeignStoreError{Catalog: owner, Want: catalogID}
	}
	return nil
}

// ReadClaim returns the id of the catalog that the store belongs to; ErrNotFound if it belongs to none.
func ReadClaim(ctx context.Context, st Store) (catalogID string, err error) {
	r, err := st.Open(ctx, MarkerKey, 0, maxMarkerBytes)
	if err != nil {
		return "", err
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", MarkerKey, err)
	}
	var m marker
	if err := json.Unmarshal(body, &m); err != nil {
		return "", fmt.Errorf("%s of the store is damaged, it should be like {\"format\":1,\"catalog\":\"<id>\"}: %w", MarkerKey, err)
	}
	switch {
	case m.Format != 1:
		return "", fmt.Errorf("%s of the store has format %d, this version knows format 1: use a newer version of tidemark", MarkerKey, m.Format)
	case m.Catalog == "":
		return "", fmt.Errorf("%s of the store names no catalog", MarkerKey)
	}
	return m.Catalog, nil
}
