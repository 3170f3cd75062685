package cube

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	durationHelp = "write a number and a unit: 10s, 10m, 1h30m, 2d"
	sizeHelp     = "write a whole number and a unit: 512KiB, 64MiB, 1GiB"
	shareHelp    = "write a share such as 5% or 0.05"
	timeHelp     = "write a date or a time with its zone: 2026-01-31 or 2026-01-31T08:00:00Z"
)

// parseDuration reads what time.ParseDuration reads, with d for 24 hours as the first unit.
func parseDuration(s string) (time.Duration, error) {
	if _, err := strconv.ParseFloat(s, 64); err == nil && s != "0" {
		return 0, &Problem{Message: fmt.Sprintf("%q has no unit", s), Instead: durationHelp}
	}
	bad := &Problem{Message: fmt.Sprintf("%q is no duration", s), Instead: durationHelp}
	days, rest, found := strings.Cut(s, "d")
	if !found {
		days, rest = "", s
	}
	var d time.Duration
	if found {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, bad
		}
		d = time.Duration(n) * 24 * time.Hour
	}
	if rest != "" || !found {
		more, err := time.ParseDuration(rest)
		if err != nil || found && (more < 0 || rest[0] == '+' || rest == "0") {
			return 0, bad
		}
		if more > 0 && d > math.MaxInt64-more {
			return 0, bad
		}
		d += more
	}
	return d, nil
}

// formatDuration returns the shortest text of d without days: 1h30m, not 1h30m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

type sizeUnit struct {
	name  string
	bytes int64
}

// sizeUnits begin with the largest binary one: formatSize takes the first that divides.
func sizeUnits() []sizeUnit {
	return []sizeUnit{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1}}
}

// parseSize reads a number of bytes, with or without a unit.
func parseSize(s string) (int64, error) {
	end := 0
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	n, err := strconv.ParseInt(s[:end], 10, 64)
	unit := strings.TrimPrefix(s[end:], " ")
	if err == nil && unit == "" && end == len(s) {
		return n, nil
	}
	bad := &Problem{Message: fmt.Sprintf("%q is no size", s), Instead: sizeHelp}
	if err != nil {
		return 0, bad
	}
	for _, u := range sizeUnits() {
		if u.name == unit && n <= math.MaxInt64/u.bytes {
			return n * u.bytes, nil
		}
		if strings.EqualFold(u.name, unit) || strings.EqualFold(u.name, unit+"iB") {
			bad.Instead = fmt.Sprintf("write %d%s", n, u.name)
		}
	}
	return 0, bad
}

func formatSize(n int64) string {
	for _, u := range sizeUnits()[:3] {
		if n != 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// parseShare reads 5% or 0.05.
func parseShare(s string) (float64, error) {
	num, percent := strings.CutSuffix(s, "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(num), 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
		return 0, &Problem{Message: fmt.Sprintf("%q is no share", s), Instead: shareHelp}
	}
	if percent {
		v /= 100
	}
	if v > 1 {
		instead := "write a share of at most 100%"
		if !percent && v <= 100 {
			instead = fmt.Sprintf("write %s%% or %v", num, v/100)
		}
		return 0, &Problem{Message: fmt.Sprintf("%q is more than everything", s), Instead: instead}
	}
	return v, nil
}

func formatShare(v float64) string {
	s := strconv.FormatFloat(v*100, 'g', 6, 64) + "%"
	if back, err := parseShare(s); err == nil && back == v {
		return s
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// parseTime reads RFC 3339, or a date as its first instant in UTC.
func parseTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	p := &Problem{Message: fmt.Sprintf("%q is no time", s), Instead: timeHelp}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04"} {
		if t, err := time.Parse(layout, s); err == nil {
			p.Message = fmt.Sprintf("%q has no time zone", s)
			p.Instead = "write " + t.Format(time.RFC3339) + " if it is UTC"
		}
	}
	return time.Time{}, p
}

// formatTime returns a date where that says it all.
func formatTime(t time.Time) string {
	t = t.UTC()
	if t.Equal(t.Truncate(24 * time.Hour)) {
		return t.Format(time.DateOnly)
	}
	return t.Format(time.RFC3339Nano)
}
