package results

import (
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// T2: what RFC 3339 cannot write is as SQL writes it.
func TestTimesBeyondRFC3339(t *testing.T) {
	times := array.NewTimestampBuilder(memory.DefaultAllocator, &arrow.TimestampType{Unit: arrow.Microsecond})
	defer times.Release()
	days := array.NewDate32Builder(memory.DefaultAllocator)
	defer days.Release()
	for _, c := range []struct {
		us, day    int64
		json, text string
		date       string
	}{
		{math.MaxInt64, math.MaxInt32, "infinity", "infinity", "infinity"},
		{-math.MaxInt64, -math.MaxInt32, "-infinity", "-infinity", "-infinity"},
		{year(20000), year(20000) / 86_400_000_000, "20000-01-01 00:00:00", "20000-01-01 00:00:00", "20000-01-01"},
		{year(-43), year(-43) / 86_400_000_000, "0044-01-01 (BC) 00:00:00", "0044-01-01 (BC) 00:00:00", "0044-01-01 (BC)"},
		{year(9999), year(9999) / 86_400_000_000, "9999-01-01T00:00:00Z", "9999-01-01 00:00:00", "9999-01-01"},
	} {
		times.Append(arrow.Timestamp(c.us))
		days.Append(arrow.Date32(c.day))
		a, d := times.NewArray(), days.NewArray()
		got := []string{strings.Trim(string(appendJSON(nil, a, 0)), `"`), Text(a, 0), strings.Trim(string(appendJSON(nil, d, 0)), `"`), Text(d, 0)}
		for i, want := range []string{c.json, c.text, c.date, c.date} {
			if got[i] != want {
				t.Errorf("%d: form %d is %s, want %s", c.us, i, got[i], want)
			}
		}
		a.Release()
		d.Release()
	}
}

func year(y int) int64 { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro() }

// T1: numbers without a sign are numbers as long as doubles hold them.
func TestUnsignedJSON(t *testing.T) {
	b := array.NewUint64Builder(memory.DefaultAllocator)
	defer b.Release()
	b.AppendValues([]uint64{5, exactInt, exactInt + 1}, nil)
	a := b.NewArray()
	defer a.Release()
	for i, want := range []string{"5", "9007199254740992", `"9007199254740993"`} {
		if got := string(appendJSON(nil, a, i)); got != want {
			t.Errorf("value %d: %s, want %s", i, got, want)
		}
	}
}

// A column that Parquet has no type for is named before anything is written.
func TestParquetColumn(t *testing.T) {
	s := arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}, {Name: "i", Type: arrow.FixedWidthTypes.MonthDayNanoInterval}}, nil)
	r, w := io.Pipe()
	defer r.Close()
	var wrong *ColumnError
	if _, err := New(Parquet, w, s); !errors.As(err, &wrong) || wrong.Column != "i" || wrong.Type != "INTERVAL" {
		t.Errorf("an interval as Parquet: %v, want a *ColumnError of column i", err)
	}
}

func TestIntervalText(t *testing.T) {
	const hour = int64(3600e9)
	for _, c := range []struct {
		v    arrow.MonthDayNanoInterval
		want string
	}{
		{arrow.MonthDayNanoInterval{}, "00:00:00"},
		{arrow.MonthDayNanoInterval{Months: 26, Days: 1, Nanoseconds: 3*hour + 5e9 + 500e6}, "2 years 2 months 1 day 03:00:05.5"},
		{arrow.MonthDayNanoInterval{Months: -13, Days: -2}, "-1 year -1 month -2 days"},
		{arrow.MonthDayNanoInterval{Nanoseconds: -100*hour - 1000}, "-100:00:00.000001"},
		{arrow.MonthDayNanoInterval{Days: 10, Nanoseconds: 60e9}, "10 days 00:01:00"},
	} {
		if got := intervalText(c.v); got != c.want {
			t.Errorf("%+v: %s, want %s", c.v, got, c.want)
		}
	}
}
