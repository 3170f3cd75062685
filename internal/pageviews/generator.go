package pageviews

import (
	"math"
	"time"
)

// maxJitterUs is how far an event that is not late lies behind its arrival at most.
const maxJitterUs = 2_000_000

// Generator makes records one after the other. It is not safe for concurrent use; make one per goroutine, each with its
// own seed.
type Generator struct {
	opts       Options
	world      *world
	partitions choice
	rng        rng
	seq        int64
	startUs    int64
	gapUs      float64
	late, bad  uint64 // thresholds
	sessions   []session
	opened     int64

	day  int64 // date is that of this day since 1970
	date [10]byte
}

// session is what a visitor keeps from one view to the next.
type session struct {
	number      int64
	left, views int
	visitor     int
	partition   int32
	country     *country
	lang        string
	combo       *combo
	ref         *source
	campaign    string
	visitorJSON []byte
	tailJSON    []byte // device and referrer
}

// New makes a generator. Its tables take about 10 MB.
func New(o Options) (*Generator, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	g := &Generator{
		opts:       o,
		world:      newWorld(o.Seed),
		partitions: newChoice(zipf(int(o.Partitions), o.Skew, 1)),
		rng:        rng(mix(o.Seed + 1)),
		startUs:    o.Start.UnixMicro(),
		gapUs:      1e6 / o.Rate,
		late:       share(o.Late),
		bad:        share(o.Bad),
		sessions:   make([]session, o.Sessions),
		day:        math.MinInt64,
	}
	return g, nil
}

// Append adds the next record's value to dst and says in ev what it holds. The record arrives by the generator's own
// clock: Options.Start, then Options.Rate a second. It allocates only to grow dst.
func (g *Generator) Append(dst []byte, ev *Event) []byte {
	return g.append(dst, ev, g.startUs+int64(float64(g.seq)*g.gapUs))
}

// AppendAt is Append with the arrival given: for records that are produced as they happen.
func (g *Generator) AppendAt(dst []byte, ev *Event, arrival time.Time) []byte {
	return g.append(dst, ev, arrival.UnixMicro())
}

func (g *Generator) append(dst []byte, ev *Event, arrivalUs int64) []byte {
	s := &g.sessions[g.rng.below(len(g.sessions))]
	if s.left == 0 {
		g.open(s)
	}
	s.left--
	p := &g.world.pages[g.world.page.pick(g.rng.next())]
	lateness, late := g.lateness()
	*ev = Event{
		Seq: g.seq, Partition: s.partition, Session: s.number, Views: s.views,
		Late: late, ArrivalUs: arrivalUs, TimeUs: floorMilli(arrivalUs - lateness),
		PageURL: p.url, Section: p.section,
		Country: s.country.name, Lang: s.lang,
		Device: s.combo.device, OS: s.combo.os, Browser: s.combo.browser,
		Referrer: s.ref.domain, Campaign: s.campaign,
		LatencyMs: 20 + g.world.latency.draw(g.rng.next()),
		Bytes:     500 + g.world.bytes.draw(g.rng.next()),
		Bounce:    s.views == 1,
		visitor:   s.visitor,
		idHigh:    g.rng.next(), idLow: g.rng.next(),
	}
	g.seq++
	start := len(dst)
	dst = g.appendJSON(dst, ev, s, p)
	if g.bad > 0 && hit(g.rng.next(), g.bad) {
		dst = g.spoil(dst, start, ev)
	}
	return dst
}

func (g *Generator) lateness() (us int64, late bool) {
	r := g.rng.next()
	if hit(r, g.late) {
		const minute = 60_000_000
		return minute + maxJitterUs + int64(float64(uint32(r))/(1<<32)*float64(g.opts.MaxLate.Microseconds()-minute)), true
	}
	return int64(uint32(r)) * maxJitterUs >> 32, false
}

// floorMilli keeps the milliseconds of a time after 1970: more the record does not hold.
func floorMilli(us int64) int64 { return us - us%1000 }

// open starts a new session in the slot of an ended one.
func (g *Generator) open(s *session) {
	w := g.world
	g.opened++
	s.number = g.opened
	s.views = 1 + w.views.pick(g.rng.next())
	s.left = s.views
	s.visitor = w.visitor.pick(g.rng.next())

	// A visitor's home and devices follow from the visitor, so that they are the same in every session.
	home := rng(mix(g.opts.Seed ^ uint64(s.visitor+1)*0xd1342543de82ef95))
	s.partition = int32(g.partitions.pick(home.next()))
	s.country = &w.countries[w.country.pick(home.next())]
	s.lang = s.country.langs[s.country.lang.pick(home.next())]
	first, second := home.next(), home.next()
	travels, other := g.rng.below(100) < 2, g.rng.below(100) < 20
	if travels { // the language comes along only where it is spoken
		s.country = &w.countries[w.country.pick(g.rng.next())]
		s.lang = s.country.langs[s.country.lang.pick(g.rng.next())]
	}
	if other {
		first = second
	}
	s.combo = &w.devices[w.device.pick(first)]
	s.ref = &w.refs[w.referrer.pick(g.rng.next())]
	s.campaign = s.ref.campaigns[g.rng.below(len(s.ref.campaigns))]
	s.writeJSON()
}
