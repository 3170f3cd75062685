package cube

import (
	"fmt"
	"slices"
	"time"
)

func (c *checker) eventTime(t *Table) {
	e := t.EventTime
	limit[time.Duration]{time.Millisecond, maxLateness, formatDuration}.check(c, "event_time.lateness", e.Lateness)
	limit[time.Duration]{time.Millisecond, maxAhead, formatDuration}.check(c, "event_time.max_ahead", e.MaxAhead)
	c.bound("event_time.earliest", e.Earliest)
	c.bound("event_time.latest", e.Latest)
	if !e.Earliest.Before(e.Latest) {
		c.add("event_time.latest", fmt.Sprintf("%s is not after earliest, %s: every event would be refused", formatTime(e.Latest), formatTime(e.Earliest)),
			"write a later time")
	}
	c.eventTimeColumn(t)
}

func (c *checker) bound(path string, at time.Time) {
	if at.Before(minTime()) || at.After(maxTime()) {
		c.add(path, fmt.Sprintf("%s is outside the limits", formatTime(at)), fmt.Sprintf("write %s to %s", formatTime(minTime()), formatTime(maxTime())))
	}
}

func (c *checker) eventTimeColumn(t *Table) {
	const path = "event_time.column"
	times, unsure := timeColumns(t.Columns)
	instead := "add a column such as {name: ts, type: timestamp(ms)} and name it here"
	if len(times) > 0 {
		instead = "write " + orList(times)
	}
	if t.EventTime.Column == "" {
		c.add(path, "missing", instead)
		return
	}
	i := slices.IndexFunc(t.Columns, func(col Column) bool { return col.Name == t.EventTime.Column })
	if i < 0 {
		if !unsure && len(t.Columns) > 0 {
			if n := Nearest(t.EventTime.Column, times); n != "" {
				instead = "write " + n
			}
			c.add(path, fmt.Sprintf("there is no column %s", clip(t.EventTime.Column)), instead)
		}
		return
	}
	col := t.Columns[i]
	switch {
	case col.Type.check() != nil: // has its own complaint
	case col.Type.Kind != Timestamp && col.Type.Kind != Date:
		if len(times) == 0 {
			instead = fmt.Sprintf("give columns[%d] the type timestamp(ms), or what its values are", i)
		}
		c.add(path, fmt.Sprintf("column %s is %s, not a timestamp or a date", col.Name, col.Type), instead)
	case col.Null == NullDefault:
		c.add(fmt.Sprintf("columns[%d].default", i), "the event time cannot have a default: it would move the watermark", "remove it: events without a time are quarantined")
	}
}

// timeColumns lists the columns that can be the event time. unsure says that a column has no name: its complaint comes first.
func timeColumns(cols []Column) (names []string, unsure bool) {
	for i := range cols {
		unsure = unsure || cols[i].Name == ""
		if k := cols[i].Type.Kind; (k == Timestamp || k == Date) && cols[i].Name != "" && len(names) < 5 {
			names = append(names, cols[i].Name)
		}
	}
	return names, unsure
}

// below is what the columns read inside the value at a path.
type below struct {
	key, index int // the first column that reads a key, an element; -1 for none
}

// paths refuses columns that no event can satisfy together: a value read as a scalar and as a container, or as an object
// and as an array. A json column may hold what others read inside it, and two columns may read one value.
func (c *checker) paths(cols []Column) {
	if len(cols) > maxColumns {
		return
	}
	inside := map[string]*below{}
	parsed := make([]Path, len(cols))
	for i := range cols {
		p, err := ParsePath(cols[i].Path)
		if err != nil {
			continue
		}
		parsed[i] = p
		for n := 1; n < len(p); n++ {
			at := p[:n].String()
			if inside[at] == nil {
				inside[at] = &below{key: -1, index: -1}
			}
			c.container(cols, inside[at], i, p[:n+1])
		}
	}
	for i, p := range parsed {
		k := cols[i].Type.Kind
		if b := inside[p.String()]; b != nil && p != nil && k != JSON && k != "" {
			other := max(b.key, b.index)
			c.add(fmt.Sprintf("columns[%d].path", i), fmt.Sprintf("%s is read as %s, but column %s reads %s inside it", p, cols[i].Type, cols[other].Name, cols[other].Path),
				"make it json, or remove one of the two")
		}
	}
}

// container notes that column i goes on from p without its last step.
func (c *checker) container(cols []Column, b *below, i int, p Path) {
	mine, others, now, before := &b.key, b.index, "an object", "an array"
	if p[len(p)-1].Index >= 0 {
		mine, others, now, before = &b.index, b.key, "an array", "an object"
	}
	if *mine < 0 {
		*mine = i
		if others >= 0 {
			c.add(fmt.Sprintf("columns[%d].path", i), fmt.Sprintf("%s is %s here, but %s for column %s", p[:len(p)-1], now, before, cols[others].Name),
				"take it as json in one column")
		}
	}
}
