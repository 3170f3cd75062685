package segmenter

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every bit of a marker counts, but for the hash of one that an older program wrote.
func TestDropped(t *testing.T) {
	d := Dropped{Kind: "segment", ID: "ab", Number: 7, Reason: "retention", RetiredUs: 5, Front: json.RawMessage(`{"revision":9,"ranges":null}`)}
	text, err := d.Encode()
	if err != nil {
		t.Fatal(err)
	}
	var got Dropped
	if err := got.Decode(text); err != nil {
		t.Fatal(err)
	}
	var front bytes.Buffer
	if err := json.Compact(&front, got.Front); err != nil {
		t.Fatal(err)
	}
	got.FormatVersion, got.SHA256, got.Front = 0, "", front.Bytes()
	if diff := cmp.Diff(d, got); diff != "" {
		t.Errorf("read (-written +read):\n%s", diff)
	}
	for at := range text {
		for bit := range 8 {
			bad := bytes.Clone(text)
			bad[at] ^= 1 << bit
			if new(Dropped).Decode(bad) == nil {
				t.Fatalf("bit %d of byte %d is flipped, and nothing is wrong with\n%s", bit, at, bad)
			}
		}
	}
	old := []byte("{\n  \"format_version\": 1,\n  \"kind\": \"table\",\n  \"id\": \"t\"\n}\n")
	if err := got.Decode(old); err != nil || got.ID != "t" {
		t.Errorf("a marker without hash: got %+v, %v", got, err)
	}
}
