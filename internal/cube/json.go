package cube

import (
	"encoding/json"
	"fmt"
	"time"
)

// MarshalText writes earliest, latest or the time.
func (s Start) MarshalText() ([]byte, error) {
	if s.At == startTime {
		return []byte(formatTime(s.Time)), nil
	}
	return []byte(s.At), nil
}

// UnmarshalText reads what MarshalText writes.
func (s *Start) UnmarshalText(b []byte) error {
	switch text := string(b); text {
	case startEarliest, startLatest, "":
		*s = Start{At: text}
	default:
		t, err := parseTime(text)
		if err != nil {
			return &Problem{Message: fmt.Sprintf("unknown start %q", text), Instead: "write earliest, latest or a time such as 2026-01-31T08:00:00Z"}
		}
		*s = Start{At: startTime, Time: t}
	}
	return nil
}

// MarshalText writes the text form of the type: decimal(12,2).
func (t Type) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (t *Type) UnmarshalText(b []byte) (err error) {
	if len(b) == 0 {
		*t = Type{}
		return nil
	}
	*t, err = ParseType(string(b))
	return err
}

type eventTimeJSON struct {
	Column   string `json:"column"`
	Lateness string `json:"lateness,omitempty"`
	Earliest string `json:"earliest,omitempty"`
	Latest   string `json:"latest,omitempty"`
	MaxAhead string `json:"max_ahead,omitempty"`
}

// MarshalJSON writes durations as text (10m) and leaves zero values out.
func (e EventTime) MarshalJSON() ([]byte, error) {
	return json.Marshal(eventTimeJSON{
		Column:   e.Column,
		Lateness: durationText(e.Lateness),
		Earliest: timeText(e.Earliest),
		Latest:   timeText(e.Latest),
		MaxAhead: durationText(e.MaxAhead),
	})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (e *EventTime) UnmarshalJSON(b []byte) (err error) {
	var j eventTimeJSON
	if err = json.Unmarshal(b, &j); err != nil {
		return fmt.Errorf("event_time: %w", err)
	}
	r := EventTime{Column: j.Column}
	if err = readText("event_time.lateness", j.Lateness, parseDuration, &r.Lateness); err != nil {
		return err
	}
	if err = readText("event_time.max_ahead", j.MaxAhead, parseDuration, &r.MaxAhead); err != nil {
		return err
	}
	if err = readText("event_time.earliest", j.Earliest, parseTime, &r.Earliest); err != nil {
		return err
	}
	if err = readText("event_time.latest", j.Latest, parseTime, &r.Latest); err != nil {
		return err
	}
	*e = r
	return nil
}

// MarshalJSON writes the names of what is included: ["extra","key"].
func (i Include) MarshalJSON() ([]byte, error) {
	return json.Marshal(i.names())
}

// UnmarshalJSON reads what MarshalJSON writes.
func (i *Include) UnmarshalJSON(b []byte) error {
	var names []string
	if err := json.Unmarshal(b, &names); err != nil {
		return fmt.Errorf("include: %w", err)
	}
	var r Include
	for _, n := range names {
		if !r.set(n) {
			return fmt.Errorf("include: %w", unknownWord("column to include", n, includeNames()))
		}
	}
	*i = r
	return nil
}

func includeNames() []string { return []string{"extra", "raw", "key", "headers"} }

func (i *Include) switches() []*bool { return []*bool{&i.Extra, &i.Raw, &i.Key, &i.Headers} }

func (i Include) names() []string {
	names := []string{}
	for n, on := range i.switches() {
		if *on {
			names = append(names, includeNames()[n])
		}
	}
	return names
}

// set switches the column on and reports whether there is one of that name.
func (i *Include) set(name string) bool {
	for n, known := range includeNames() {
		if known == name {
			*i.switches()[n] = true
			return true
		}
	}
	return false
}

type stagingJSON struct {
	Format Format   `json:"format,omitempty"`
	Roll   rollJSON `json:"roll,omitzero"`
}

type rollJSON struct {
	Bytes int64  `json:"bytes,omitempty"`
	Rows  int64  `json:"rows,omitempty"`
	Age   string `json:"age,omitempty"`
}

// MarshalJSON writes the keys of the YAML form: {"format":"parquet","roll":{"bytes":67108864,...,"age":"1m"}}.
func (s Staging) MarshalJSON() ([]byte, error) {
	return json.Marshal(stagingJSON{Format: s.Format, Roll: rollJSON{Bytes: s.RollBytes, Rows: s.RollRows, Age: durationText(s.RollAge)}})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Staging) UnmarshalJSON(b []byte) error {
	var j stagingJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return fmt.Errorf("staging: %w", err)
	}
	r := Staging{Format: j.Format, RollBytes: j.Roll.Bytes, RollRows: j.Roll.Rows}
	if err := readText("staging.roll.age", j.Roll.Age, parseDuration, &r.RollAge); err != nil {
		return err
	}
	*s = r
	return nil
}

// readText leaves *into alone when text is empty.
func readText[T any](key, text string, parse func(string) (T, error), into *T) error {
	if text == "" {
		return nil
	}
	v, err := parse(text)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	*into = v
	return nil
}

func durationText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return formatDuration(d)
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return formatTime(t)
}
