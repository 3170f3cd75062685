package kylin

import "testing"

// Y1: a pattern of Java and its layout mean the same times; what one of them has alone is refused, not read otherwise.
func TestPatterns(t *testing.T) {
	for _, c := range []struct{ java, layout string }{
		{"yyyy-MM-dd HH:mm:ss", "2006-01-02 15:04:05"},
		{"yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "2006-01-02T15:04:05.000Z07:00"},
		{"yyyy-MM-dd'T'HH:mm:ss'Z'", "2006-01-02T15:04:05Z"},
		{"yyyyMMddHHmmssZ", "20060102150405-0700"},
	} {
		if got, err := goLayout(c.java); err != nil || got != c.layout {
			t.Errorf("layout of %s: got %q, %v; want %q", c.java, got, err, c.layout)
		}
		if got := javaPattern(c.layout); got != c.java {
			t.Errorf("pattern of %s: got %q, want %q", c.layout, got, c.java)
		}
	}
	for _, java := range []string{"EEE yyyy", "yyyy-MM-dd hh:mm a", "HHmmssSSS", "yyyy'2006'", "yyyy'", "yyyy 15"} {
		if got, err := goLayout(java); err == nil {
			t.Errorf("layout of %s: got %q, want an error", java, got)
		}
	}
	for _, layout := range []string{"Jan 2 15:04:05", "2006-01-02T15:04:05.000000Z07:00", "2006-01-02 15:04:05.999"} {
		if got := javaPattern(layout); got != "" {
			t.Errorf("pattern of %s: got %q, want none", layout, got)
		}
	}
}
