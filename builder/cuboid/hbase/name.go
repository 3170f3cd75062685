package hbase

import (
	"fmt"
	"strconv"
	"strings"
)

// Limits of HBase.
const (
	MaxRowKey  = 32767   // bytes of a row key
	pieceBytes = 4 << 20 // of a value; longer ones lie in several columns, since HBase refuses cells over 10 MiB
)

// segmentDigits is how much of a segment's id its table's name has: region names and paths hold it too.
const segmentDigits = 16

// TableName returns the name of the table of one attempt at a segment.
func TableName(prefix, cubeID, segmentID string, attempt int64) string {
	return fmt.Sprintf("%s_%s_%s_%d", prefix, cubeID, SegmentDigits(segmentID), attempt)
}

// SegmentDigits returns what the name of a segment's table has of the segment's id.
func SegmentDigits(segmentID string) string { return segmentID[:min(segmentDigits, len(segmentID))] }

// parseTable reads what TableName returns.
func parseTable(prefix, name string) (t Table, ok bool) {
	rest, ok := strings.CutPrefix(name, prefix+"_")
	if !ok {
		return t, false
	}
	words := strings.Split(rest, "_")
	if len(words) != 3 || words[0] == "" || words[1] == "" {
		return t, false
	}
	attempt, err := strconv.ParseInt(words[2], 10, 64)
	return Table{Name: name, CubeID: words[0], Segment: words[1], Attempt: attempt}, err == nil && attempt >= 0
}

// Table is a table that holds, or held, a segment.
type Table struct {
	Name    string
	CubeID  string
	Segment string // the first digits of its id
	Attempt int64
	Regions int

	Disabled bool
}
