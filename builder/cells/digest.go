package cells

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// digestKind is percentile: a t-digest of merged centroids. Up to maxCentroids values are kept one by one, so that small
// cells are exact. Infinities count as the largest numbers there are, NaN is left out.
type digestKind struct{}

// maxCentroids returns how many centroids a digest has before they are merged.
func maxCentroids(compression int) int { return 2*compression + 30 }

func (digestKind) columns(m *Measure) []ColumnSpec {
	return []ColumnSpec{{Name: m.Name, Kind: stage.Bytes}}
}

func (digestKind) make(m *Measure, n int) States {
	return &digests{compression: m.Compression, lists: newLists[centroid](n)}
}

func (digestKind) lift(m *Measure) lifter {
	l := &digestLifter{column: m.Column, scale: 1, out: digests{compression: m.Compression}}
	if m.of.typ.Kind == cube.Decimal {
		l.scale = powerOfTen(m.of.typ.Scale)
	}
	return l
}

// powerOfTen returns the float64 nearest to 10^n; math.Pow is not exact on every machine.
func powerOfTen(n int) float64 {
	v, err := strconv.ParseFloat("1e"+strconv.Itoa(n), 64)
	if err != nil {
		panic(err) // a scale is 0 to 38
	}
	return v
}

// centroid is that many values of one mean.
type centroid struct {
	mean   float64
	weight uint64
}

// digests are lists of centroids, ascending by mean. Those of events are in single: one value each, but where a bit of none
// is set.
type digests struct {
	lists[centroid]
	compression int
	single      []centroid
	none        bitset
}

func (s *digests) Len() int { return max(len(s.single), s.n) }

func (s *digests) MemBytes() int64 {
	return s.memBytes(16) + int64(16*cap(s.single)+8*cap(s.none))
}

func (s *digests) Fold(groups []uint32, src States, from int) error {
	in := sameKind(s, src)
	in.settle()
	p := piece[centroid]{groups: groups, from: from, of: in.single, none: in.none}
	if in.single == nil {
		p = piece[centroid]{groups: groups, from: from, of: in.of, ends: in.ends}
	}
	s.wait(p) // until all is there: to compress in between would make states depend on what else is folded (I6)
	return nil
}

// settle brings what waits into the digests, in order of arrival where means are equal.
func (s *digests) settle() {
	if len(s.pieces) == 0 {
		return
	}
	all, starts := s.place()
	kept := uint32(0)
	for i := range s.n {
		cs := all[starts[i]:starts[i+1]]
		if len(cs) > 1 {
			sortCentroids(cs)
		}
		cs = compress(cs, s.compression)
		kept += uint32(copy(all[kept:], cs))
		s.ends[i] = kept
	}
	s.of = all[:kept]
}

func sortCentroids(cs []centroid) {
	if len(cs) <= 24 {
		for i := 1; i < len(cs); i++ {
			c, at := cs[i], i
			for ; at > 0 && cs[at-1].mean > c.mean; at-- {
				cs[at] = cs[at-1]
			}
			cs[at] = c
		}
		return
	}
	if len(cs) < 1<<11 {
		slices.SortStableFunc(cs, func(a, b centroid) int { return compareWords(orderFloat(a.mean), orderFloat(b.mean)) })
		return
	}
	words := make([]uint64, len(cs))
	for i, c := range cs {
		words[i] = orderFloat(c.mean)
	}
	groups, distinct := groupWords(words)
	at := make([]uint32, len(distinct)+1)
	for _, g := range groups {
		at[g+1]++
	}
	for i := range distinct {
		at[i+1] += at[i]
	}
	sorted := make([]centroid, len(cs))
	for i, g := range groups {
		sorted[at[g]] = cs[i]
		at[g]++
	}
	copy(cs, sorted)
}

// compress merges neighbours, in their place, until there are at most maxCentroids: as far as Dunning's scale function k1
// lets them grow, which is the less the nearer to an end. The first and the last are never merged, so they are the least
// and the greatest value. The total decides which end is begun with, so that no end is favoured.
func compress(cs []centroid, compression int) []centroid {
	if len(cs) <= maxCentroids(compression) {
		return cs
	}
	total := uint64(0)
	for _, c := range cs {
		total += c.weight
	}
	back := bits.OnesCount64(total)%2 == 1
	if back {
		slices.Reverse(cs)
	}
	for span := math.Pi / 2 / float64(compression); len(cs) > maxCentroids(compression); span *= 2 {
		cs = compressTo(cs, float64(total), span)
	}
	if back {
		slices.Reverse(cs)
	}
	return cs
}

// compressTo merges up to a share of span times sqrt(q(1-q)) of the total into one.
func compressTo(cs []centroid, total, span float64) []centroid {
	out, before := cs[:1], 0.0
	for i := 1; i < len(cs); i++ {
		c, last := cs[i], &out[len(out)-1]
		proposed := float64(last.weight) + float64(c.weight)
		if i > 1 && i < len(cs)-1 {
			low, high := before/total, (before+proposed)/total
			if proposed <= total*span*math.Sqrt(min(low*(1-low), high*(1-high))) {
				weight := last.weight + c.weight
				share := float64(c.weight) / float64(weight)
				mean := float64(last.mean*(1-share)) + float64(c.mean*share)
				// Clamped, so that rounding keeps the order of means.
				last.mean = min(max(mean, min(last.mean, c.mean)), max(last.mean, c.mean))
				last.weight = weight
				continue
			}
		}
		before += float64(last.weight)
		out = append(out, c)
	}
	return out
}

type digestLifter struct {
	column string
	scale  float64
	out    digests
}

func (l *digestLifter) add(e *events) error {
	c := e.column(l.column)
	for i := e.from; i < e.to; i++ {
		v := 0.0
		null := c == nil || c.IsNull(i)
		if !null {
			switch c.Kind {
			case stage.Float64:
				v = min(max(c.Float(i), -math.MaxFloat64), math.MaxFloat64) // NaN stays
			case stage.Decimal128:
				v = int128Of(c.Bytes(i)).float() / l.scale
			default:
				v = float64(c.Int(i)) / l.scale
			}
		}
		if null || v != v {
			l.out.none.set(len(l.out.single))
			v = 0
		}
		l.out.single = append(l.out.single, centroid{v, 1})
	}
	return nil
}

func (l *digestLifter) states(IDs) (States, error) { return &l.out, nil }

func (l *digestLifter) memBytes() int64 { return l.out.MemBytes() }

// The bytes of a digest are those of the DataSketches family.
const (
	digestVersion = 1
	digestFamily  = 20
	digestEmpty   = 1
	digestSingle  = 2
)

func (s *digests) Columns(from, to int) []stage.Column {
	s.settle()
	c := stage.Column{Kind: stage.Bytes, Ends: make([]uint32, 0, to-from)}
	for i := from; i < to; i++ {
		var cs []centroid
		switch {
		case s.single == nil:
			cs = s.get(i)
		case !s.none.has(i):
			cs = s.single[i : i+1]
		}
		c.Data = s.appendDigest(c.Data, cs)
		c.Ends = append(c.Ends, uint32(len(c.Data)))
	}
	return []stage.Column{c}
}

func (s *digests) appendDigest(b []byte, cs []centroid) []byte {
	size, flags := byte(1), byte(0)
	switch {
	case len(cs) == 0:
		flags = digestEmpty
	case len(cs) == 1 && cs[0].weight == 1:
		flags = digestSingle
	default:
		size = 2
	}
	b = append(b, size, digestVersion, digestFamily, byte(s.compression), byte(s.compression>>8), flags, 0, 0)
	float := func(v float64) { b = binary.LittleEndian.AppendUint64(b, math.Float64bits(canonical(v))) }
	switch {
	case flags == digestSingle:
		float(cs[0].mean)
	case flags == 0:
		b = binary.LittleEndian.AppendUint64(b, uint64(len(cs))) // and no values in a buffer
		float(cs[0].mean)
		float(cs[len(cs)-1].mean)
		for _, c := range cs {
			float(c.mean)
			b = binary.LittleEndian.AppendUint64(b, c.weight)
		}
	}
	return b
}

func (digestKind) read(m *Measure, cols []stage.Column, n int) (States, error) {
	s := &digests{compression: m.Compression, lists: newLists[centroid](n)}
	for i := range n {
		if err := s.readDigest(cols[0].Bytes(i)); err != nil {
			return nil, fmt.Errorf("row %d: %w", i, err)
		}
		s.ends[i] = uint32(len(s.of))
	}
	return s, nil
}

// readDigest reads the next state.
func (s *digests) readDigest(b []byte) error {
	if len(b) < 8 || b[1] != digestVersion || b[2] != digestFamily {
		return fmt.Errorf("%d bytes that are no t-digest", len(b))
	}
	if k := int(binary.LittleEndian.Uint16(b[3:])); k != s.compression {
		return fmt.Errorf("a t-digest of compression %d, want %d", k, s.compression)
	}
	size, flags, b := b[0], b[5], b[8:]
	float := func(at int) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b[at:])) }
	switch {
	case flags == digestEmpty && size == 1 && len(b) == 0:
		return nil
	case flags == digestSingle && size == 1 && len(b) == 8:
		return s.readCentroid(len(s.of), centroid{float(0), 1})
	case flags != 0 || size != 2 || len(b) < 40:
		return fmt.Errorf("a t-digest of flags %d in %d bytes", flags, len(b))
	}
	count := binary.LittleEndian.Uint64(b)
	if count > uint64(maxCentroids(s.compression)) || len(b) != 24+16*int(count) {
		return fmt.Errorf("%d centroids in %d bytes, at most %d", count, len(b), maxCentroids(s.compression))
	}
	from := len(s.of)
	for at := 24; at < len(b); at += 16 {
		if err := s.readCentroid(from, centroid{float(at), binary.LittleEndian.Uint64(b[at+8:])}); err != nil {
			return err
		}
	}
	if float(8) != s.of[from].mean || float(16) != s.of[len(s.of)-1].mean {
		return fmt.Errorf("least and greatest value %v and %v are not the first and last mean", float(8), float(16))
	}
	return nil
}

// readCentroid appends a centroid to the state that begins at from.
func (s *digests) readCentroid(from int, c centroid) error {
	if c.mean != c.mean || math.IsInf(c.mean, 0) || c.weight == 0 || c.weight > math.MaxInt64 {
		return fmt.Errorf("a centroid of %d times %v", c.weight, c.mean)
	}
	if len(s.of) > from && c.mean < s.of[len(s.of)-1].mean {
		return fmt.Errorf("a mean of %v after %v", c.mean, s.of[len(s.of)-1].mean)
	}
	s.of = append(s.of, c)
	return nil
}
