package catalog

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseAsOf(t *testing.T) {
	noon := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		text string
		want *AsOf
		back string
	}{
		{"", nil, ""},
		{" 12 ", &AsOf{Version: 12}, "12"},
		{"2026-03-04T12:00:00Z", &AsOf{Time: noon}, "2026-03-04T12:00:00Z"},
		{"2026-03-04T13:00:00+01:00", &AsOf{Time: noon}, "2026-03-04T12:00:00Z"},
		{"2026-03-04 12:00:00", &AsOf{Time: noon}, "2026-03-04T12:00:00Z"},
		{"2026-03-04 12:00:00.000001", &AsOf{Time: noon.Add(time.Microsecond)}, "2026-03-04T12:00:00.000001Z"},
		{"2026-03-04", &AsOf{Time: noon.Add(-12 * time.Hour)}, "2026-03-04T00:00:00Z"},
		{"0:100, 3g2:7", &AsOf{Offsets: []AsOfOffset{{0, -1, 100}, {3, 2, 7}}}, "0:100,3g2:7"},
	} {
		got, err := ParseAsOf(c.text)
		if err != nil || !cmp.Equal(c.want, got) {
			t.Errorf("%q: %v, %v, want %v", c.text, got, err, c.want)
			continue
		}
		if back := got.String(); back != c.back {
			t.Errorf("%q: as text %q, want %q", c.text, back, c.back)
		}
	}
	for text, want := range map[string]string{
		"0": "count from 1", "-3": "count from 1", "yesterday": "want a time", "0:1,0:2": "twice", "0:1,": "want a time", "0:-1": "want a time",
		"2026-13-01T00:00:00Z": "want a time", "99999999999999999999": "want a time", "0:9999999999999999999": "want a time",
	} {
		if got, err := ParseAsOf(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v, want an error with %q", text, got, err, want)
		}
	}
}
