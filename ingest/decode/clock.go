package decode

import (
	"time"
	"unsafe"
)

const isoDate = time.DateOnly

// twoDigits reads two digits; the caller has checked them.
func twoDigits(b []byte, i int) int { return int(b[i]-'0')*10 + int(b[i+1]-'0') }

// allDigits reports whether b consists of digits only.
func allDigits(b []byte) bool {
	for _, c := range b {
		if !isDigit(c) {
			return false
		}
	}
	return true
}

// parseISODate reads YYYY-MM-DD at the beginning of b, which has at least 10 bytes, as days since 1970.
func parseISODate(b []byte) (days int64, ok bool) {
	_ = b[9]
	if b[4] != '-' || b[7] != '-' || !allDigits(b[:4]) || !isDigit(b[5]) || !isDigit(b[6]) || !isDigit(b[8]) || !isDigit(b[9]) {
		return 0, false
	}
	y, m, d := twoDigits(b, 0)*100+twoDigits(b, 2), twoDigits(b, 5), twoDigits(b, 8)
	if m < 1 || m > 12 || d < 1 || d > 28 && d > daysIn(y, m) {
		return 0, false
	}
	return daysSince1970(y, m, d), true
}

func daysIn(y, m int) int {
	switch m {
	case 2:
		if y%4 == 0 && (y%100 != 0 || y%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// daysSince1970 counts in 400-year eras that begin in March, so that leap days come last. Years are 0 or later.
func daysSince1970(y, m, d int) int64 {
	if m <= 2 {
		y--
	}
	y += 400 // year 0 in January would be negative
	era := y / 400
	yearOfEra := y - era*400
	dayOfYear := (153*((m+9)%12)+2)/5 + d - 1
	dayOfEra := yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear
	return int64((era-1)*146097 + dayOfEra - 719468)
}

// parseRFC3339 reads a timestamp as microseconds since 1970, cutting finer fractions off. It is strict,
// unlike time.Parse: no hours of one digit, no comma; neither takes leap seconds.
func parseRFC3339(b []byte) (us int64, ok bool) {
	if len(b) < 20 {
		return 0, false
	}
	days, ok := parseISODate(b)
	if !ok || b[10] != 'T' || b[13] != ':' || b[16] != ':' || !isDigit(b[11]) || !isDigit(b[12]) ||
		!isDigit(b[14]) || !isDigit(b[15]) || !isDigit(b[17]) || !isDigit(b[18]) {
		return 0, false
	}
	hour, minute, second := twoDigits(b, 11), twoDigits(b, 14), twoDigits(b, 17)
	if hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	us = (days*86400 + int64(hour*3600+minute*60+second)) * 1e6
	i := 19
	if b[i] == '.' {
		unit := int64(1e5)
		for i++; i < len(b) && isDigit(b[i]); i++ {
			us += int64(b[i]-'0') * unit
			unit /= 10
		}
		if i == 20 || i == len(b) {
			return 0, false
		}
	}
	if b[i] == 'Z' {
		return us, i+1 == len(b)
	}
	if len(b)-i != 6 || b[i] != '+' && b[i] != '-' || b[i+3] != ':' || !allDigits(b[i+1:i+3]) || !allDigits(b[i+4:]) {
		return 0, false
	}
	hour, minute = twoDigits(b, i+1), twoDigits(b, i+4)
	if hour > 23 || minute > 59 {
		return 0, false
	}
	offset := int64(hour*3600+minute*60) * 1e6
	if b[i] == '+' {
		offset = -offset
	}
	return us + offset, true
}

// layout is a layout of package time.
type layout string

// parse reads text; a layout without a zone means UTC.
func (l layout) parse(text []byte) (time.Time, error) {
	return time.ParseInLocation(string(l), unsafe.String(unsafe.SliceData(text), len(text)), time.UTC)
}

// epochScale is by how many powers of ten a unit is coarser than microseconds.
func epochScale(unit string) int {
	switch unit {
	case "s":
		return 6
	case "ms":
		return 3
	case "ns":
		return -3
	}
	return 0
}
