package pageviews

// Event is what a record says, in the types of the table: the truth that a reader is compared with. Its strings are
// shared and constant. For a bad record only Seq, Partition, ArrivalUs and Reason mean something.
type Event struct {
	Seq       int64 // 0 for the first record of the generator
	Partition int32
	Session   int64  // number of the session, not in the record
	Views     int    // how many views the session has in all, not in the record
	Reason    Reason // why no reader can use the record; empty for an event
	Late      bool   // TimeUs lies more than a minute behind ArrivalUs
	ArrivalUs int64  // when the record reaches the broker, microseconds since 1970
	TimeUs    int64  // column ts, microseconds since 1970, whole milliseconds

	PageURL, Section    string
	Country, Lang       string
	Device, OS, Browser string
	Referrer, Campaign  string // Campaign is in the record, but no column of the table
	LatencyMs, Bytes    int64
	Bounce              bool
	visitor             int
	idHigh, idLow       uint64
}

// VisitorID is the column visitor_id.
func (e *Event) VisitorID() string {
	return string(appendVisitor(nil, e.visitor))
}

// EventID is the column event_id, a version 4 UUID.
func (e *Event) EventID() string {
	return string(appendUUID(nil, e.idHigh, e.idLow))
}

// Null reports whether the record's value is null (a tombstone) and not just empty.
func (e *Event) Null() bool { return e.Reason == Tombstone }

func appendVisitor(dst []byte, n int) []byte {
	return append(dst, 'u', '0'+byte(n/100000%10), '0'+byte(n/10000%10), '0'+byte(n/1000%10),
		'0'+byte(n/100%10), '0'+byte(n/10%10), '0'+byte(n%10))
}

const hexDigits = "0123456789abcdef"

func appendUUID(dst []byte, high, low uint64) []byte {
	high = high&^0xf000 | 0x4000
	low = low&^(3<<62) | 2<<62
	dst = appendHex(dst, high>>32, 8)
	dst = append(dst, '-')
	dst = appendHex(dst, high>>16&0xffff, 4)
	dst = append(dst, '-')
	dst = appendHex(dst, high&0xffff, 4)
	dst = append(dst, '-')
	dst = appendHex(dst, low>>48, 4)
	dst = append(dst, '-')
	return appendHex(dst, low&0xffffffffffff, 12)
}

func appendHex(dst []byte, v uint64, digits int) []byte {
	var b [16]byte
	for i := digits - 1; i >= 0; i-- {
		b[i] = hexDigits[v&15]
		v >>= 4
	}
	return append(dst, b[:digits]...)
}
