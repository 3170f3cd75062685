//go:build !race

// Much data, and no goroutines that other tests do not have: the stage race runs these without the detector.

package stage

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/internal/blob"
)

// F3: a changed byte, wherever it is, gives an error that names the file, or changes nothing that is read.
func TestChangedBytes(t *testing.T) {
	_, files := goldenStore(t)
	_, rows, _ := fixture()
	for key, data := range files {
		if strings.HasPrefix(key, "ledger/") || strings.Contains(key, "supplement") {
			continue // a ledger file is plain JSON: its hash is in the catalog
		}
		silent := 0
		for at := range data {
			for _, flip := range []byte{1, 0x80} {
				bad := bytes.Clone(data)
				bad[at] ^= flip
				st := new(blob.Mem)
				putBytes(t, st, key, bad)
				got, err := readFile(t, st, key)
				if err == nil {
					silent++
					if got != nil && sameRows(rows, got) != "" {
						t.Fatalf("%s: byte %d changed by %#x: other rows, no error", key, at, flip)
					}
					continue
				}
				checkFormatError(t, key, err)
			}
		}
		if silent > len(data)/2 {
			t.Errorf("%s: %d of %d changes were not seen", key, silent, 2*len(data))
		}
	}
}

// F3: a file that was cut off anywhere is refused.
func TestCutOff(t *testing.T) {
	_, files := goldenStore(t)
	for key, data := range files {
		for n := range data[:len(data)-1] { // without its last line end a ledger file is whole
			st := new(blob.Mem)
			putBytes(t, st, key, data[:n])
			if _, err := readFile(t, st, key); err == nil {
				t.Fatalf("%s: whole after %d of %d bytes", key, n, len(data))
			} else {
				checkFormatError(t, key, err)
			}
		}
	}
}
