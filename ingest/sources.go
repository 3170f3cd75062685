package ingest

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Source is what is known of one partition of a table's topic, or (Partition -1) of a table that is not read.
type Source struct {
	Project    string    `json:"project"`
	Table      string    `json:"table"`
	Topic      string    `json:"topic"`
	Partition  int32     `json:"partition"`
	Generation int32     `json:"generation"`
	Epoch      int64     `json:"epoch"`
	Start      int64     `json:"start"`     // first offset of the generation
	Next       int64     `json:"next"`      // next offset to decode
	Committed  int64     `json:"committed"` // all below is committed
	End        int64     `json:"end"`       // last stable offset, as last seen
	Lag        int64     `json:"lag"`       // End - Next
	Watermark  time.Time `json:"watermark,omitzero"`
	State      State     `json:"state"`
	EndAt      time.Time `json:"-"` // all that the log held then is below End; zero: the brokers have not said so
	Reason     string    `json:"reason,omitempty"`
	Events     int64     `json:"events"` // decoded since the process started
}

// Sources returns all partitions that this process reads or is about to, and a line for each table that is not read, by
// table and partition.
func (in *Ingester) Sources() []Source {
	var out []Source
	seen := map[string]bool{}
	for _, p := range in.partitions() {
		s := p.status()
		if s.State == Reading && in.held(p.tp) {
			s.State, s.Reason = Paused, "another table of the topic waits for its commits"
		}
		seen[p.tableID()] = true
		out = append(out, s)
	}
	in.mu.Lock()
	for tp, u := range in.unread {
		for _, t := range in.readersLocked(tp.topic) {
			seen[t.def.ID] = true
			out = append(out, Source{Project: t.def.Project, Table: t.def.Name, Topic: tp.topic, Partition: tp.partition, State: u.state, Reason: u.reason})
		}
	}
	for id, t := range in.tables {
		if seen[id] {
			continue
		}
		s := Source{Project: t.def.Project, Table: t.def.Name, Topic: t.def.Topic, Partition: -1, State: WaitingForTopic}
		if st := in.topics[t.def.Topic]; st != nil && st.err != nil {
			s.Reason = st.err.Error()
		}
		out = append(out, s)
	}
	out = slices.AppendSeq(out, maps.Values(in.stopped))
	in.mu.Unlock()
	slices.SortFunc(out, func(a, b Source) int {
		return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.Table, b.Table), cmp.Compare(a.Partition, b.Partition))
	})
	return out
}

func (p *partition) status() Source {
	p.mu.Lock()
	defer p.mu.Unlock()
	def := p.table.def
	s := Source{
		Project: def.Project, Table: def.Name, Topic: def.Topic, Partition: p.tp.partition, Generation: p.generation, Epoch: p.epoch,
		Start: p.first, Next: p.next, Committed: p.committed, End: p.end, Lag: max(0, p.end-p.next), State: p.stateLocked(), EndAt: p.endAt, Reason: p.reason, Events: p.events,
	}
	if p.seen {
		s.Watermark = time.UnixMicro(p.highestUs).Add(-def.EventTime.Lateness).UTC()
	}
	return s
}

// stateLocked tells apart what a partition that is read does.
func (p *partition) stateLocked() State {
	switch {
	case p.state != Reading:
		return p.state
	case p.paused:
		return Paused
	case p.next >= p.end:
		return AtEnd
	}
	return Reading
}

// Progress is how far reading is, summed over all partitions.
type Progress struct {
	Events       int64         `json:"events"`
	Bytes        int64         `json:"bytes"` // of record values
	Bad          int64         `json:"bad"`
	Files        int64         `json:"files"`
	FileBytes    int64         `json:"file_bytes"`
	Lag          int64         `json:"lag"`
	Elapsed      time.Duration `json:"-"`
	EventsPerSec float64       `json:"events_per_second"`
	BytesPerSec  float64       `json:"bytes_per_second"`
	ETA          time.Duration `json:"-"` // 0: unknown, or there
}

// Progress returns the counts since Run began; rates are means over that time.
func (in *Ingester) Progress() Progress {
	in.mu.Lock()
	started := in.started
	in.mu.Unlock()
	pr := Progress{
		Events: in.met.sum.events.Load(), Bytes: in.met.sum.bytes.Load(), Bad: in.met.sum.bad.Load(),
		Files: in.met.sum.files.Load(), FileBytes: in.met.sum.fileBytes.Load(), Elapsed: time.Since(started),
	}
	for _, p := range in.partitions() {
		p.mu.Lock()
		pr.Lag += max(0, p.end-p.next)
		p.mu.Unlock()
	}
	if s := pr.Elapsed.Seconds(); s > 0 {
		pr.EventsPerSec, pr.BytesPerSec = float64(pr.Events)/s, float64(pr.Bytes)/s
	}
	if pr.Lag > 0 && pr.EventsPerSec > 0 {
		pr.ETA = time.Duration(float64(pr.Lag) / pr.EventsPerSec * float64(time.Second))
	}
	return pr
}
