package dictionary

import (
	"fmt"
	"strconv"
	"strings"
)

// Prefix is where all dictionaries lie in a store.
const Prefix = "dictionaries/"

// KeyInfo is what the key of a slice says.
type KeyInfo struct {
	TableID string
	Column  string
	Slice   int64  // counts from 1
	SHA256  string // of the whole object: two builds that append at once never share a name unless they wrote the same
}

// Key returns dictionaries/<table id>/<column>/<slice>.<sha256>.
func (k KeyInfo) Key() string {
	return fmt.Sprintf("%s%s/%s/%010d.%s", Prefix, k.TableID, k.Column, k.Slice, k.SHA256)
}

// ParseKey takes a key apart. A key that this package would not make is an error.
func ParseKey(key string) (KeyInfo, error) {
	bad := fmt.Errorf("key %s: want %sTABLE/COLUMN/SLICE.SHA256", key, Prefix)
	parts := strings.Split(strings.TrimPrefix(key, Prefix), "/")
	if !strings.HasPrefix(key, Prefix) || len(parts) != 3 || parts[0] == "" || parts[1] == "" {
		return KeyInfo{}, bad
	}
	number, sum, _ := strings.Cut(parts[2], ".")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 1 || !isHash(sum) {
		return KeyInfo{}, bad
	}
	k := KeyInfo{TableID: parts[0], Column: parts[1], Slice: n, SHA256: sum}
	if k.Key() != key {
		return KeyInfo{}, bad
	}
	return k, nil
}

func isHash(s string) bool { return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == "" }
