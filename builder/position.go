package builder

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// Position is where a request begins or ends. The zero value leaves it to the cube: a build begins where the last
// segment ends, and ends with the log.
type Position struct {
	At      string           // "", "earliest", "latest", "time", "offsets" or "number"
	Time    time.Time        // of "time": the first record at or after it, by Kafka's timestamps
	Offsets []PartitionPlace // of "offsets"; partitions that are not named stay where the cube is
	Number  int64            // of "number": Kylin's sum over partitions
}

// PartitionPlace is an offset of a partition.
type PartitionPlace struct {
	Partition  int32
	Generation int32 // -1: the newest
	Offset     int64
}

// What a Position may be.
const (
	atEarliest = "earliest"
	atLatest   = "latest"
	atTime     = "time"
	atOffsets  = "offsets"
	atNumber   = "number"
)

const positionHelp = "want earliest, latest, a time such as 2026-01-31T06:00:00Z, or offsets such as 0:1200,1:900"

// ParsePosition reads the text form: earliest, latest, a time (RFC 3339, or a date), offsets by partition (0:1200,1:900, or
// 0.g1:1200 of a given generation), or one number, Kylin's.
func ParsePosition(text string) (Position, error) {
	bad := func(why string) (Position, error) {
		return Position{}, wrong("position %q: %s: %s", text, why, positionHelp)
	}
	switch s := strings.TrimSpace(text); {
	case s == "":
		return Position{}, nil
	case strings.EqualFold(s, atEarliest), strings.EqualFold(s, atLatest):
		return Position{At: strings.ToLower(s)}, nil
	default:
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02"} {
			if t, err := time.Parse(layout, s); err == nil {
				return Position{At: atTime, Time: t.UTC()}, nil
			}
		}
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			if n < 0 {
				return bad("it is negative")
			}
			return Position{At: atNumber, Number: n}, nil
		}
		p := Position{At: atOffsets}
		for part := range strings.SplitSeq(s, ",") {
			place, err := parsePlace(strings.TrimSpace(part))
			if err != nil {
				return bad(err.Error())
			}
			for _, o := range p.Offsets {
				if o.Partition == place.Partition {
					return bad(fmt.Sprintf("partition %d is named twice", o.Partition))
				}
			}
			p.Offsets = append(p.Offsets, place)
		}
		return p, nil
	}
}

func parsePlace(s string) (PartitionPlace, error) {
	line, offset, ok := strings.Cut(s, ":")
	if !ok {
		return PartitionPlace{}, fmt.Errorf("%q is no partition:offset", s)
	}
	partition, generation, older := strings.Cut(line, ".g")
	p, err := strconv.ParseInt(partition, 10, 32)
	if err != nil || p < 0 {
		return PartitionPlace{}, fmt.Errorf("%q is no partition", partition)
	}
	place := PartitionPlace{Partition: int32(p), Generation: -1}
	if older {
		g, err := strconv.ParseInt(generation, 10, 32)
		if err != nil || g < 0 {
			return PartitionPlace{}, fmt.Errorf("%q is no generation", generation)
		}
		place.Generation = int32(g)
	}
	if place.Offset, err = strconv.ParseInt(offset, 10, 64); err != nil || place.Offset < 0 {
		return PartitionPlace{}, fmt.Errorf("%q is no offset", offset)
	}
	return place, nil
}

// fromStart is the start of a cube's definition as a Position.
func fromStart(s cube.CubeStart) Position {
	p := Position{At: s.At, Time: s.Time}
	for _, o := range s.Offsets {
		p.Offsets = append(p.Offsets, PartitionPlace{Partition: o.Partition, Generation: -1, Offset: o.Offset})
	}
	return p
}

// where is what a Position is resolved in.
type where struct {
	topic string
	g     segmenter.Generations // their open ends are the end of the log
	known []segmenter.Vector    // starts and ends of segments, for Kylin's numbers
}

// place returns the vector of empty ranges that p means; nil for the zero value. Only known partitions are in it.
func (b *Builder) place(ctx context.Context, p Position, w where) (segmenter.Vector, error) {
	switch p.At {
	case "":
		return nil, nil
	case atEarliest:
		return w.g.Read().Starts(), nil
	case atLatest:
		return w.g.Read().Ends(), nil
	case atNumber:
		v, err := w.g.Position(p.Number, append(w.known, w.g.Read().Starts(), w.g.Read().Ends()))
		if err != nil {
			return nil, &RequestError{err}
		}
		return v, nil
	case atTime:
		return b.placeAt(ctx, p.Time, w)
	case atOffsets:
		return placeOffsets(p.Offsets, w.g)
	}
	return nil, wrong("position %q: %s", p.At, positionHelp)
}

// placeAt asks the log. A time before the newest generation is its start: older ones cannot be asked any more.
func (b *Builder) placeAt(ctx context.Context, t time.Time, w where) (segmenter.Vector, error) {
	if b.o.Log == nil {
		return nil, wrong("a position by time needs the brokers, and none are configured: give offsets, or earliest or latest")
	}
	at, err := b.logs.offsetsAt(ctx, w.topic, t)
	if err != nil {
		return nil, fmt.Errorf("offsets of topic %s at %s: %w", w.topic, t.Format(time.RFC3339), err)
	}
	out := w.g.Read().Ends()
	for i, r := range out {
		g, ok := w.g.Line(r.Partition, r.Generation)
		off, found := at[r.Partition]
		if !ok || !found {
			continue
		}
		off = min(max(off, g.Start), g.End)
		out[i].Start, out[i].End = off, off
	}
	return out, nil
}

func placeOffsets(list []PartitionPlace, g segmenter.Generations) (v segmenter.Vector, err error) {
	for _, o := range list {
		of := g.Of(o.Partition)
		if len(of) == 0 {
			return nil, wrong("partition %d: nothing is known of it: the table has %s", o.Partition, partitionsText(g))
		}
		x := of[len(of)-1]
		if o.Generation >= 0 {
			var ok bool
			if x, ok = g.Line(o.Partition, o.Generation); !ok {
				return nil, wrong("partition %d: it has no generation %d, the newest is %d", o.Partition, o.Generation, of[len(of)-1].Generation)
			}
		}
		if o.Offset < x.Start || o.Offset > x.End {
			return nil, wrong("partition %d: offset %d is outside of what can be read, %s", o.Partition, o.Offset, x.Range())
		}
		v = append(v, segmenter.PartitionRange{Partition: o.Partition, Generation: x.Generation, Start: o.Offset, End: o.Offset})
	}
	return v.Normalize()
}

func partitionsText(g segmenter.Generations) string {
	if len(g) == 0 {
		return "none yet: is an ingest process running?"
	}
	return fmt.Sprintf("partitions %d to %d", g[0].Partition, g[len(g)-1].Partition)
}
