package pageviews

import "math"

// rng is SplitMix64. One word of state, so that any place can seed one from a name (a visitor, a page).
type rng uint64

func (r *rng) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	return mix(uint64(*r))
}

// below returns a number in [0, n). The bias of n/2^32 does not matter here.
func (r *rng) below(n int) int { return int((r.next() >> 32) * uint64(n) >> 32) }

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// share turns a probability into a threshold for the upper 32 bits of a random word.
func share(p float64) uint64 { return uint64(p * (1 << 32)) }

func hit(r, threshold uint64) bool { return r>>32 < threshold }

// choice draws an index by weight in constant time (Vose's alias method): drawing by logarithms, as math/rand's Zipf does,
// would cost more than the rest of an event.
type choice struct {
	threshold []uint32
	alias     []uint32
}

func newChoice(weights []float64) choice {
	n := len(weights)
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	c := choice{threshold: make([]uint32, n), alias: make([]uint32, n)}
	scaled := make([]float64, n)
	var small, large []uint32
	for i, w := range weights {
		scaled[i] = w * float64(n) / sum
		c.alias[i] = uint32(i)
		if scaled[i] < 1 {
			small = append(small, uint32(i))
		} else {
			large = append(large, uint32(i))
		}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		c.threshold[s] = uint32(scaled[s] * math.MaxUint32)
		c.alias[s] = l
		if scaled[l] -= 1 - scaled[s]; scaled[l] < 1 {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	return c // what is left has weight 1 up to rounding: its alias is itself
}

// pick uses all 64 bits of r: the upper half for the slot, the lower for the threshold.
func (c *choice) pick(r uint64) int {
	i := (r >> 32) * uint64(len(c.threshold)) >> 32
	if uint32(r) <= c.threshold[i] {
		return int(i)
	}
	return int(c.alias[i])
}

// zipf gives n weights 1/(v+k)^s.
func zipf(n int, s, v float64) []float64 {
	w := make([]float64, n)
	for k := range w {
		w[k] = math.Pow(v+float64(k), -s)
	}
	return w
}

// exponential is the quantile function of an exponential distribution as a table; a draw interpolates.
type exponential [1025]int64

func newExponential(mean float64) *exponential {
	e := new(exponential)
	for i := range e {
		p := float64(i) / 1024
		if i == 1024 {
			p = 1023.9 / 1024 // the tail ends at about nine means
		}
		e[i] = int64(-mean * math.Log1p(-p))
	}
	return e
}

func (e *exponential) draw(r uint64) int64 {
	i := r >> 54
	frac := int64(r >> 22 & 0xffffffff)
	return e[i] + (e[i+1]-e[i])*frac>>32
}
