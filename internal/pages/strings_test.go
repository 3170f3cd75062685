package pages

import (
	"bytes"
	"testing"

	"github.com/parquet-go/parquet-go/encoding/delta"
)

// The lengths of prefixes are those that the library writes; any other than 0 is refused.
func TestNoPrefixes(t *testing.T) {
	for _, n := range []int{0, 1, 2, 128, 129, 130, 257, pageRows} {
		lengths := make([]int32, n)
		want, err := new(delta.BinaryPackedEncoding).EncodeInt32(nil, lengths)
		if err != nil {
			t.Fatal(err)
		}
		got := appendNoPrefixes([]byte("levels"), n)
		if !bytes.Equal(got, append([]byte("levels"), want...)) {
			t.Errorf("%d prefixes: % x, the library writes % x", n, got[len("levels"):], want)
		}
		rest, err := cutNoPrefixes(append(want, "strings"...), n)
		if err != nil || string(rest) != "strings" {
			t.Errorf("%d prefixes: read %q, %v; want what follows them", n, rest, err)
		}
		if n == 0 {
			continue
		}
		lengths[n-1] = 3
		if shared, err := new(delta.BinaryPackedEncoding).EncodeInt32(nil, lengths); err != nil {
			t.Fatal(err)
		} else if _, err := cutNoPrefixes(append(shared, "strings"...), n); err == nil {
			t.Errorf("%d prefixes, the last of 3 bytes: read, want a refusal", n)
		}
		if _, err := cutNoPrefixes(want[:len(want)-1], n); err == nil {
			t.Errorf("%d prefixes without their last byte: read, want a refusal", n)
		}
	}
}
