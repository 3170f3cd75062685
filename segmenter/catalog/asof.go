package catalog

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// AsOf is an earlier moment of what was committed. One of the three is set.
type AsOf struct {
	Time    time.Time    // what was committed by then
	Version int64        // of the catalog; counts from 1, with every transaction that changes what is committed
	Offsets []AsOfOffset // up to where, of each partition; nothing of others, nor of later generations
}

// AsOfOffset is where a partition is read to. Its earlier generations are read wholly.
type AsOfOffset struct {
	Partition  int32
	Generation int32 // -1: the only one
	Offset     int64 // the first that is not read
}

// asOfForms says how a moment is written.
const asOfForms = "want a time as 2006-01-02T15:04:05Z, the version of an answer as 12, or offsets as 0:1000,1:900 (0g2:1000 in generation 2)"

var asOfOffset = regexp.MustCompile(`^(\d{1,9})(?:g(\d{1,9}))?:(\d{1,18})$`)

// asOfTimes are the layouts of times; those without a zone are of UTC.
var asOfTimes = []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999", time.DateOnly}

// ParseAsOf reads a moment as text: a time, a version, or offsets. "" is none, the present: nil.
func ParseAsOf(text string) (*AsOf, error) {
	if text = strings.TrimSpace(text); text == "" {
		return nil, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n < 1 {
			return nil, fmt.Errorf("as_of %q: versions count from 1: %s", text, asOfForms)
		}
		return &AsOf{Version: n}, nil
	}
	for _, layout := range asOfTimes {
		if at, err := time.Parse(layout, text); err == nil {
			return &AsOf{Time: at.UTC()}, nil
		}
	}
	a := &AsOf{}
	for part := range strings.SplitSeq(text, ",") {
		m := asOfOffset.FindStringSubmatch(strings.TrimSpace(part))
		if m == nil {
			return nil, fmt.Errorf("as_of %q: %s", text, asOfForms)
		}
		o := AsOfOffset{Generation: -1}
		n, _ := strconv.ParseInt(m[1], 10, 32) // nine digits
		o.Partition = int32(n)
		if m[2] != "" {
			n, _ = strconv.ParseInt(m[2], 10, 32)
			o.Generation = int32(n)
		}
		o.Offset, _ = strconv.ParseInt(m[3], 10, 64)
		if slices.ContainsFunc(a.Offsets, func(x AsOfOffset) bool { return x.Partition == o.Partition }) {
			return nil, fmt.Errorf("as_of %q: partition %d is there twice: want one offset of each", text, o.Partition)
		}
		a.Offsets = append(a.Offsets, o)
	}
	return a, nil
}

// String is a in the form that ParseAsOf reads.
func (a *AsOf) String() string {
	switch {
	case a == nil:
		return ""
	case a.Version != 0:
		return strconv.FormatInt(a.Version, 10)
	case len(a.Offsets) == 0:
		return a.Time.UTC().Format(time.RFC3339Nano)
	}
	var parts []string
	for _, o := range a.Offsets {
		g := ""
		if o.Generation >= 0 {
			g = fmt.Sprintf("g%d", o.Generation)
		}
		parts = append(parts, fmt.Sprintf("%d%s:%d", o.Partition, g, o.Offset))
	}
	return strings.Join(parts, ",")
}

// AsOfError says why a moment cannot be asked for.
type AsOfError struct {
	AsOf   *AsOf
	Table  string
	Reason string // with what to do instead
}

func (e *AsOfError) Error() string {
	return fmt.Sprintf("table %s as of %s: %s", e.Table, e.AsOf, e.Reason)
}
