package cube

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// plainCube is a Cube without its methods.
type plainCube Cube

type cubeJSON struct {
	plainCube
	Retention string `json:"retention,omitempty"`
}

// MarshalJSON writes the keys of the YAML form, durations as text (10m) and no zero values.
func (c Cube) MarshalJSON() ([]byte, error) {
	return json.Marshal(cubeJSON{plainCube: plainCube(c), Retention: spanOrNothing(c.Retention)})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (c *Cube) UnmarshalJSON(b []byte) error {
	var j cubeJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return fmt.Errorf("cube: %w", err)
	}
	if err := readText("retention", j.Retention, parseDuration, &j.plainCube.Retention); err != nil {
		return err
	}
	*c = Cube(j.plainCube)
	return nil
}

// MarshalJSON writes true or false.
func (s Switch) MarshalJSON() ([]byte, error) {
	switch s {
	case On:
		return []byte("true"), nil
	case Off:
		return []byte("false"), nil
	}
	return json.Marshal(string(s))
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Switch) UnmarshalJSON(b []byte) error {
	v, err := parseSwitch(strings.Trim(string(b), `"`))
	if err != nil {
		return err
	}
	*s = v
	return nil
}

func parseSwitch(s string) (Switch, error) {
	switch s {
	case "true", string(On):
		return On, nil
	case "false", string(Off):
		return Off, nil
	}
	return "", &Problem{Message: fmt.Sprintf("%s is neither true nor false", clip(s)), Instead: "write true or false"}
}

func (s Switch) text() string { return strconv.FormatBool(s.On()) }

type cutJSON struct {
	Manual       bool   `json:"manual,omitempty"`
	Age          string `json:"age,omitempty"`
	Rows         int64  `json:"rows,omitempty"`
	Bytes        int64  `json:"bytes,omitempty"`
	Crons        []Cron `json:"crons,omitempty"`
	RowsPerBuild int64  `json:"rows_per_build,omitempty"`
}

// MarshalJSON writes the keys of the YAML form.
func (r CutRules) MarshalJSON() ([]byte, error) {
	return json.Marshal(cutJSON{r.Manual, spanOrNothing(r.Age), r.Rows, r.Bytes, r.Crons, r.RowsPerBuild})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (r *CutRules) UnmarshalJSON(b []byte) error {
	var j cutJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return fmt.Errorf("cut: %w", err)
	}
	v := CutRules{Manual: j.Manual, Rows: j.Rows, Bytes: j.Bytes, Crons: j.Crons, RowsPerBuild: j.RowsPerBuild}
	if err := readText("cut.age", j.Age, parseDuration, &v.Age); err != nil {
		return err
	}
	*r = v
	return nil
}

type budgetJSON struct {
	YoungerThan string `json:"younger_than,omitempty"`
	Segments    int    `json:"segments"`
}

// MarshalJSON writes {"younger_than":"7d","segments":4}.
func (a AgeBudget) MarshalJSON() ([]byte, error) {
	return json.Marshal(budgetJSON{spanOrNothing(a.YoungerThan), a.Segments})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (a *AgeBudget) UnmarshalJSON(b []byte) error {
	var j budgetJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return fmt.Errorf("merge.budget: %w", err)
	}
	v := AgeBudget{Segments: j.Segments}
	if err := readText("merge.budget.younger_than", j.YoungerThan, parseDuration, &v.YoungerThan); err != nil {
		return err
	}
	*a = v
	return nil
}

type mergeJSON struct {
	Manual     bool        `json:"manual,omitempty"`
	Budget     []AgeBudget `json:"budget,omitempty"`
	TimeRanges []string    `json:"time_ranges,omitempty"`
	Volatile   string      `json:"volatile,omitempty"`
	MaxRows    int64       `json:"max_rows,omitempty"`
}

// MarshalJSON writes the keys of the YAML form.
func (r MergeRules) MarshalJSON() ([]byte, error) {
	return json.Marshal(mergeJSON{r.Manual, r.Budget, r.rangeTexts(), spanOrNothing(r.Volatile), r.MaxRows})
}

func (r MergeRules) rangeTexts() []string {
	var texts []string
	for _, d := range r.TimeRanges {
		texts = append(texts, spanText(d))
	}
	return texts
}

// UnmarshalJSON reads what MarshalJSON writes.
func (r *MergeRules) UnmarshalJSON(b []byte) error {
	var j mergeJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return fmt.Errorf("merge: %w", err)
	}
	v := MergeRules{Manual: j.Manual, Budget: j.Budget, MaxRows: j.MaxRows}
	if err := readText("merge.volatile", j.Volatile, parseDuration, &v.Volatile); err != nil {
		return err
	}
	for i, text := range j.TimeRanges {
		d, err := parseDuration(text)
		if err != nil {
			return fmt.Errorf("merge.time_ranges[%d]: %w", i, err)
		}
		v.TimeRanges = append(v.TimeRanges, d)
	}
	*r = v
	return nil
}

// MarshalText writes earliest, latest, the time or the offsets: 0:1200,1:900.
func (s CubeStart) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String returns the text form.
func (s CubeStart) String() string {
	switch s.At {
	case startTime:
		return formatTime(s.Time)
	case startOffsets:
		var b strings.Builder
		for i, o := range s.Offsets {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, "%d:%d", o.Partition, o.Offset)
		}
		return b.String()
	}
	return s.At
}

// UnmarshalText reads what MarshalText writes.
func (s *CubeStart) UnmarshalText(b []byte) error {
	switch text := string(b); text {
	case startEarliest, startLatest, "":
		*s = CubeStart{At: text}
	default:
		if offsets, ok := parseOffsets(text); ok {
			*s = CubeStart{At: startOffsets, Offsets: offsets}
			return nil
		}
		t, err := parseTime(text)
		if err != nil {
			return &Problem{Message: fmt.Sprintf("unknown start %s", clip(text)), Instead: cubeStartHelp}
		}
		*s = CubeStart{At: startTime, Time: t}
	}
	return nil
}

const (
	startOffsets  = "offsets"
	cubeStartHelp = `write earliest, latest, a time such as 2026-01-31T08:00:00Z, or partition:offset pairs such as "0:1200,1:900"`
)

// parseOffsets reads pairs of whole numbers, in any order.
func parseOffsets(s string) ([]PartitionOffset, bool) {
	var out []PartitionOffset
	for pair := range strings.SplitSeq(s, ",") {
		p, o, _ := strings.Cut(strings.TrimSpace(pair), ":")
		partition, err := strconv.ParseUint(p, 10, 31)
		if err != nil {
			return nil, false
		}
		offset, err := strconv.ParseUint(o, 10, 63)
		if err != nil || offset == math.MaxInt64 {
			return nil, false
		}
		out = append(out, PartitionOffset{Partition: int32(partition), Offset: int64(offset)})
	}
	slices.SortStableFunc(out, func(a, b PartitionOffset) int { return int(a.Partition) - int(b.Partition) })
	return out, true
}

// spanText writes whole days as such: 7d, not 168h.
func spanText(d time.Duration) string {
	if d >= day && d%day == 0 && d/day <= math.MaxUint16 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	return formatDuration(d)
}

func spanOrNothing(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return spanText(d)
}
