package plan

import (
	"fmt"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// manySegments returns five-minute segments of 16 partitions up to now, every third widened by late events.
func manySegments(n int, now time.Time) ([]segmenter.Segment, segmenter.Generations) {
	out := make([]segmenter.Segment, n)
	var g segmenter.Generations
	for p := range int32(16) {
		g = append(g, segmenter.Generation{Partition: p, End: int64(n) * 1000})
	}
	for i := range out {
		at := now.Add(time.Duration(i-n) * 5 * time.Minute)
		s := segmenter.Segment{
			CubeID: "c1", Number: int64(i + 1), State: segmenter.SegmentReady, Version: 1, Events: 16000,
			MinTimeUs: at.UnixMicro(), MaxTimeUs: at.Add(5*time.Minute - 1).UnixMicro(),
		}
		if i%3 == 0 {
			s.MinTimeUs -= time.Minute.Microseconds()
		}
		for p := range int32(16) {
			s.Range = append(s.Range, segmenter.PartitionRange{Partition: p, Start: int64(i) * 1000, End: int64(i+1) * 1000})
		}
		for _, r := range s.Range {
			m := segmenter.Measure{Events: r.Len(), MinTimeUs: s.MinTimeUs, MaxTimeUs: s.MaxTimeUs}
			s.Parts = append(s.Parts, segmenter.PartMeasure{Partition: r.Partition, Measure: m})
		}
		out[i] = s
	}
	return out, g
}

// A cube of 1,440 segments plans in under 5 ms.
func BenchmarkMerges(b *testing.B) {
	now := time.Unix(1763719200, 0)
	for _, n := range []int{10, 1440, 10000} {
		segments, g := manySegments(n, now)
		for _, c := range []struct {
			name  string
			rules MergeRules
		}{
			{"budget", MergeRules{}},
			{"time_ranges", MergeRules{TimeRanges: []time.Duration{30 * time.Minute, 4 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}}},
			// Nothing is ever full: every start is tried for every range.
			{"time_ranges_none", MergeRules{TimeRanges: []time.Duration{30 * time.Minute, 4 * time.Hour, 24 * time.Hour}, MaxRows: 20000}},
		} {
			b.Run(fmt.Sprintf("%s/%d", c.name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					Merges(MergeInput{Rules: c.rules, Now: now, Segments: segments, Generations: g})
				}
			})
		}
	}
}

func BenchmarkPick(b *testing.B) {
	now := time.Unix(1763719200, 0)
	segments, _ := manySegments(1440, now)
	w := HalfOpen(now.Add(-time.Hour).UnixMicro(), now.UnixMicro())
	b.ReportAllocs()
	for b.Loop() {
		Pick(segments, w)
	}
}

func BenchmarkHoles(b *testing.B) {
	segments, g := manySegments(1440, time.Unix(1763719200, 0))
	segments[700].State = segmenter.SegmentRetired
	b.ReportAllocs()
	for b.Loop() {
		Holder{Segments: segments, Generations: g}.Holes(nil)
	}
}

func BenchmarkCronNext(b *testing.B) {
	c, err := ParseCron("0 6 * * mon", time.UTC)
	if err != nil {
		b.Fatal(err)
	}
	now := time.Unix(1763719200, 0)
	b.ReportAllocs()
	for b.Loop() {
		c.Next(now)
	}
}
