package config

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

func row(key, flag, value, def, usage string) Setting {
	return Setting{Key: key, Flag: flag, Value: value, Default: def, Usage: usage}
}

func (s Setting) parsed(set func(*Config, string) error, get func(*Config) string) Setting {
	s.set, s.get = set, get
	return s
}

func (s Setting) secret() Setting {
	s.Secret = true
	return s
}

func (s Setting) text(field func(*Config) *string) Setting {
	return s.parsed(
		func(c *Config, v string) error { *field(c) = v; return nil },
		func(c *Config) string { return *field(c) })
}

// oneOf closes the list of values. Case does not matter; the listed spelling is kept.
func (s Setting) oneOf(values ...string) Setting {
	set := s.set
	s.set = func(c *Config, v string) error {
		for _, want := range values {
			if strings.EqualFold(v, want) {
				return set(c, want)
			}
		}
		named := slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" })
		return fmt.Errorf("%q is not possible: want %s", v, strings.Join(named, " or "))
	}
	return s
}

func (s Setting) list(field func(*Config) *[]string) Setting {
	return s.parsed(
		func(c *Config, v string) error { *field(c) = splitList(v); return nil },
		func(c *Config) string { return strings.Join(*field(c), ",") })
}

func (s Setting) toggle(field func(*Config) *bool) Setting {
	return s.parsed(
		func(c *Config, v string) error {
			b, err := strconv.ParseBool(v)
			if err != nil {
				return fmt.Errorf("%q is neither true nor false", v)
			}
			*field(c) = b
			return nil
		},
		func(c *Config) string { return strconv.FormatBool(*field(c)) })
}

func (s Setting) count(field func(*Config) *int) Setting {
	return s.parsed(
		func(c *Config, v string) error {
			n, err := strconv.Atoi(v)
			if err != nil || n < 1 {
				return fmt.Errorf("%q is no number of at least 1", v)
			}
			*field(c) = n
			return nil
		},
		func(c *Config) string { return strconv.Itoa(*field(c)) })
}

func (s Setting) duration(field func(*Config) *time.Duration) Setting {
	return s.parsed(
		func(c *Config, v string) error {
			d, err := time.ParseDuration(v)
			if err != nil || d <= 0 {
				return fmt.Errorf("%q is no time above 0: want a number with a unit, as in 500ms, 30s or 5m", v)
			}
			*field(c) = d
			return nil
		},
		func(c *Config) string { return field(c).String() })
}

func (s Setting) size(field func(*Config) *int64) Setting {
	return s.parsed(
		func(c *Config, v string) error {
			n, err := ParseSize(v)
			if err != nil {
				return err
			}
			*field(c) = n
			return nil
		},
		func(c *Config) string { return FormatSize(*field(c)) })
}

var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40},
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"kB", 1e3},
	{"B", 1},
}

// ParseSize reads a number of bytes above 0: 1048576, 64MiB, 1.5GB.
func ParseSize(v string) (int64, error) {
	number, unit := strings.TrimSpace(v), int64(1)
	for _, u := range sizeUnits {
		if n := len(number) - len(u.name); n > 0 && strings.EqualFold(number[n:], u.name) {
			number, unit = strings.TrimSpace(number[:n]), u.bytes
			break
		}
	}
	f, err := strconv.ParseFloat(number, 64)
	// NaN fails every comparison, so the accepted range is named, not the refused one.
	if err != nil || !(f*float64(unit) >= 1 && f*float64(unit) < math.MaxInt64) {
		return 0, fmt.Errorf("%q is no size above 0: want bytes or a number with a unit, as in 64MiB or 2GB", v)
	}
	return int64(f * float64(unit)), nil
}

// FormatSize returns the shortest exact text that ParseSize reads back as n.
func FormatSize(n int64) string {
	for _, u := range sizeUnits {
		if n != 0 && n%u.bytes == 0 && u.bytes > 1 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

func splitList(v string) []string {
	var out []string
	for f := range strings.SplitSeq(v, ",") {
		if f = strings.TrimSpace(f); f != "" {
			out = append(out, f)
		}
	}
	return out
}
