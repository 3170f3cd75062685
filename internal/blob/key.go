package blob

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of keys: S3 takes 1,024 bytes, prefix included; file systems take 255 a name.
const (
	maxKeyBytes     = 900
	maxElementBytes = 255
)

// ValidateKey refuses what some store could not keep (B5).
func ValidateKey(key string) error {
	if len(key) > maxKeyBytes {
		return fmt.Errorf("key %.40q...: %d bytes, at most %d are allowed", key, len(key), maxKeyBytes)
	}
	if !utf8.ValidString(key) {
		return fmt.Errorf("key %q: not valid UTF-8", key)
	}
	for _, c := range key {
		if c < 0x20 || c == 0x7f || c == '\\' {
			return fmt.Errorf("key %q: control characters and backslashes are not allowed", key)
		}
	}
	for element := range strings.SplitSeq(key, "/") {
		switch {
		case element == "":
			return fmt.Errorf("key %q: empty, or an empty element: keys are relative, as in staged/t1/0", key)
		case element[0] == '.':
			return fmt.Errorf("key %q: element %q begins with a dot", key, element)
		case len(element) > maxElementBytes:
			return fmt.Errorf("key %q: element of %d bytes, at most %d are allowed", key, len(element), maxElementBytes)
		}
	}
	return nil
}

// validatePrefix takes what a valid key can begin with, "" included.
func validatePrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	if err := ValidateKey(strings.TrimSuffix(prefix, "/")); err != nil {
		return fmt.Errorf("prefix: %w", err)
	}
	return nil
}

// validateOpen checks what every Open is given.
func validateOpen(key string, off int64) error {
	if off < 0 {
		return fmt.Errorf("open %s: negative offset %d", key, off)
	}
	return ValidateKey(key)
}
