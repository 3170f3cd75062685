package blob_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/internal/blob"
)

func conformClaim(t *testing.T, st blob.Store) {
	if _, err := blob.ReadClaim(t.Context(), st); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("claim of a new store: got %v, want ErrNotFound", err)
	}
	for range 2 {
		if err := blob.Claim(t.Context(), st, "cat1"); err != nil {
			t.Fatal(err)
		}
	}
	err := blob.Claim(t.Context(), st, "cat2")
	var foreign *blob.ForeignStoreError
	if !errors.As(err, &foreign) || foreign.Catalog != "cat1" || foreign.Want != "cat2" {
		t.Errorf("claim by another: got %v, want a ForeignStoreError of cat1 and cat2", err)
	}
	if got, err := blob.ReadClaim(t.Context(), st); got != "cat1" || err != nil {
		t.Errorf("claim: got %q, %v, want cat1", got, err)
	}
}

func TestClaimOfDamagedMarker(t *testing.T) {
	for body, want := range map[string]string{
		"":                              "damaged",
		"{}":                            "format 0",
		`{"format":2,"catalog":"cat1"}`: "newer version",
		`{"format":1}`:                  "names no catalog",
	} {
		st := new(blob.Mem)
		create(t, st, blob.MarkerKey, body)
		if err := blob.Claim(t.Context(), st, "cat1"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("marker %q: got %v, want an error with %q", body, err, want)
		}
	}
	// Written by hand or by a later version with other white space.
	st := new(blob.Mem)
	create(t, st, blob.MarkerKey, `{ "catalog": "cat1", "format": 1, "note": "x" }`)
	if err := blob.Claim(t.Context(), st, "cat1"); err != nil {
		t.Errorf("claim of a marker in another layout: %v", err)
	}
	if err := blob.Claim(t.Context(), st, ""); err == nil {
		t.Error("an empty catalog id was accepted")
	}
}

// Belongs is Claim for who may not write.
func TestBelongs(t *testing.T) {
	st := new(blob.Mem)
	if err := blob.Belongs(t.Context(), st, "cat1"); err != nil || list(t, st, "") != nil {
		t.Errorf("a new store: %v, then it holds %q", err, list(t, st, ""))
	}
	create(t, st, blob.MarkerKey, string(blob.Marker("cat1")))
	if err := blob.Belongs(t.Context(), st, "cat1"); err != nil {
		t.Error(err)
	}
	var foreign *blob.ForeignStoreError
	if err := blob.Belongs(t.Context(), st, "cat2"); !errors.As(err, &foreign) || foreign.Catalog != "cat1" {
		t.Errorf("another's store: got %v, want a ForeignStoreError", err)
	}
}

func conformCheck(t *testing.T, st blob.Store) {
	if err := blob.Check(t.Context(), st, blob.Writes); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("there is no marker to try on: got %v, want ErrNotFound", err)
	}
	create(t, st, blob.MarkerKey, "{}")
	if err := blob.Check(t.Context(), st, blob.Writes); err != nil {
		t.Fatal(err)
	}
	if got := list(t, st, ""); len(got) != 1 {
		t.Errorf("the check left %q, want the marker alone", got)
	}
	if err := st.Delete(t.Context(), blob.MarkerKey); err != nil {
		t.Fatal(err)
	}
	if err := blob.Check(t.Context(), st, blob.Reads); err != nil {
		t.Fatal(err)
	}
	if err := blob.Check(t.Context(), st, blob.Deletes); err != nil {
		t.Fatal(err)
	}
	if got := list(t, st, ""); got != nil {
		t.Errorf("the check left %q", got)
	}
}
