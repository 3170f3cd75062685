package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// assigned opens a partition that the group gave us.
func (in *Ingester) assigned(ctx context.Context, tp topicPartition) (int64, bool) {
	offset, ok, err := in.open(ctx, tp)
	if err != nil {
		in.notOpened(ctx, tp, err)
	}
	in.mu.Lock()
	if s := in.sources[tp]; !ok && s != nil { // a pass was faster
		offset, ok = s.pos, true
	}
	in.mu.Unlock()
	if ok {
		in.reads(map[topicPartition]int64{tp: offset})
	}
	return offset, ok
}

// reads notes that the client was told where to read: until then dispatch takes nothing for a source (N3).
func (in *Ingester) reads(from map[topicPartition]int64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for tp, offset := range from {
		if s := in.sources[tp]; s != nil && s.pos == offset {
			s.reading = true
		}
	}
}

// startReading has the poll loop read from the given offsets.
func (in *Ingester) startReading(ctx context.Context, from map[topicPartition]int64) {
	in.command(ctx, func() { in.feed.read(from); in.reads(from) })
}

// notOpened tells of a failure that is tried again.
func (in *Ingester) notOpened(ctx context.Context, tp topicPartition, err error) {
	if ctx.Err() != nil {
		return
	}
	if in.feed.owns(tp) {
		in.mu.Lock()
		in.unread[tp] = unread{Failing, err.Error()}
		in.mu.Unlock()
	}
	in.met.retries.Inc()
	in.o.Logger.LogAttrs(ctx, slog.LevelWarn, "partition not opened",
		slog.String("topic", tp.topic), slog.Int("partition", int(tp.partition)), slog.Any("err", err))
}

// open looks at the topic and opens a partition of it.
func (in *Ingester) open(ctx context.Context, tp topicPartition) (int64, bool, error) {
	info, err := in.admin.topic(ctx, tp.topic)
	if err != nil {
		return 0, false, err
	}
	if _, there := info.leaders[tp.partition]; !there { // the topic was made again with fewer; a pass opens it should it come back
		in.forgetUnread(tp)
		return 0, false, nil
	}
	return in.openSource(ctx, tp, info)
}

func (in *Ingester) forgetUnread(tps ...topicPartition) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, tp := range tps {
		delete(in.unread, tp)
	}
}

// openSource opens a partition for every table of its topic and returns the lowest offset that one of them needs. It
// does nothing where the partition is open already, or being opened.
func (in *Ingester) openSource(ctx context.Context, tp topicPartition, info *topicInfo) (int64, bool, error) {
	in.mu.Lock()
	tables := in.readersLocked(tp.topic)
	busy := in.closing || in.sources[tp] != nil || in.opening[tp] || len(tables) == 0
	if !busy {
		in.opening[tp] = true
		if _, known := in.unread[tp]; !known {
			in.unread[tp] = unread{Opening, "its place in the log is looked up"}
		}
	}
	in.mu.Unlock()
	if busy {
		return 0, false, nil
	}
	defer func() {
		in.mu.Lock()
		delete(in.opening, tp)
		in.mu.Unlock()
	}()
	s := &source{tp: tp, topicID: info.id}
	for _, t := range tables {
		p, err := in.openPartition(ctx, t, tp, info)
		if err != nil {
			in.abandon(s)
			return 0, false, err
		}
		if p != nil {
			s.parts = append(s.parts, p)
		}
	}
	if len(s.parts) == 0 {
		in.forgetUnread(tp)
		return 0, false, nil
	}
	s.pos = lowest(s.parts)
	pos := s.pos
	if !in.register(s, tables) {
		in.abandon(s)
		in.lookAgain(tp.topic)
		return 0, false, nil
	}
	if !in.feed.owns(tp) { // revoked meanwhile: that found no source to release
		in.revoked([]topicPartition{tp})
		return 0, false, nil
	}
	return pos, true, nil
}

// readersLocked returns the tables that read a topic, by their ids' order.
func (in *Ingester) readersLocked(topic string) []*table {
	var tables []*table
	for _, t := range in.tables {
		if t.def.Topic == topic {
			tables = append(tables, t)
		}
	}
	slices.SortFunc(tables, func(a, b *table) int { return strings.Compare(a.def.ID, b.def.ID) })
	return tables
}

// register makes a source one that is read, unless the tables of its topic have changed while it was opened, or reading
// ends.
func (in *Ingester) register(s *source, tables []*table) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closing || !slices.Equal(tables, in.readersLocked(s.tp.topic)) {
		return false
	}
	in.sources[s.tp] = s
	delete(in.unread, s.tp)
	return true
}

// lookAgain has the next pass ask about a topic, whenever that was done last.
func (in *Ingester) lookAgain(topic string) {
	in.mu.Lock()
	if st := in.topics[topic]; st != nil {
		st.checked = time.Time{}
	}
	in.mu.Unlock()
	in.poke()
}

// revoked commits what is in hand of partitions that another member gets.
func (in *Ingester) revoked(tps []topicPartition) {
	ctx, cancel := context.WithTimeout(context.Background(), in.o.StopTimeout)
	defer cancel()
	in.release(ctx, tps)
	in.forgetUnread(tps...)
}

func (in *Ingester) abandon(s *source) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // nothing was read yet
	for _, p := range s.parts {
		p.finish(ctx)
	}
}

func lowest(parts []*partition) int64 {
	pos := int64(-1)
	for _, p := range parts {
		p.mu.Lock()
		if pos < 0 || p.next < pos {
			pos = p.next
		}
		p.mu.Unlock()
	}
	return pos
}

// openPartition claims a partition of a table and decides where to read on (N1, N2, N4). It returns nil where a policy
// stops the table.
func (in *Ingester) openPartition(ctx context.Context, t *table, tp topicPartition, info *topicInfo) (*partition, error) {
	claim := catalog.Claim{TableID: t.def.ID, Partition: tp.partition, Owner: in.o.Owner, Address: in.o.Address}
	st, err := in.o.Catalog.Assign(ctx, claim)
	if err != nil {
		return nil, fmt.Errorf("claim partition %d of table %s: %w", tp.partition, t.def.Name, err)
	}
	if end, ok := info.lastStable[tp.partition]; !ok || st.Begun && end < st.End {
		// Older than the claim: the owner before may have committed since. Nobody can any more.
		if info, err = in.admin.topic(ctx, tp.topic); err != nil {
			return nil, err
		}
		if err := info.unknown[tp.partition]; err != nil {
			return nil, err
		}
		if _, ok := info.lastStable[tp.partition]; !ok {
			return nil, fmt.Errorf("topic %s has no partition %d", tp.topic, tp.partition)
		}
	}
	p := &partition{
		in: in, tp: tp, table: t, epoch: st.Epoch, generation: st.Generation, first: st.Start, next: st.End, committed: st.End,
		inbox: newInbox(), claim: make(chan struct{}, 1), publish: make(chan struct{}, 1), progress: make(chan struct{}, 1), gone: make(chan struct{}),
		end: info.lastStable[tp.partition], target: info.lastStable[tp.partition], state: Reading, moved: time.Now(),
	}
	p.highestUs, p.seen = st.MaxTimeUs, st.HasTime // the watermark never goes back, not even by a restart
	place := in.begin
	if st.Begun {
		place = in.resume
	}
	if ok, err := place(ctx, p, st, info); err != nil || !ok {
		p.signOff()
		return nil, err
	}
	p.launch()
	return p, nil
}

// launch starts the worker and the publisher. They end by finish.
func (p *partition) launch() {
	workCtx, stopWork := context.WithCancel(context.Background())
	pubCtx, cancel := context.WithCancel(context.Background())
	var worker sync.WaitGroup
	worker.Go(func() { p.work(workCtx) })
	p.stopWork = func() { stopWork(); worker.Wait() }
	p.cancel = cancel
	p.in.background.Go(func() { defer close(p.gone); p.publisher(pubCtx) })
}

// begin fixes the first offset of a partition that was never read. A partition that came later than the table is read
// from its first offset, whatever the table's start says.
func (in *Ingester) begin(ctx context.Context, p *partition, st catalog.PartitionState, info *topicInfo) (bool, error) {
	initial, err := in.o.Catalog.FixPartitions(ctx, p.table.def.ID, len(info.leaders))
	if err != nil {
		return false, fmt.Errorf("begin partition %d of table %s: %w", p.tp.partition, p.table.def.Name, err)
	}
	start := info.start[p.tp.partition]
	switch at := p.table.def.Start; {
	case int(p.tp.partition) >= initial: // it came after the table
	case at.At == "latest":
		start = info.lastStable[p.tp.partition]
	case at.At == "time":
		if start, err = in.admin.after(ctx, p.tp.topic, p.tp.partition, at.Time); err != nil {
			return false, err
		}
	}
	b := catalog.Begin{TableID: p.table.def.ID, Partition: p.tp.partition, Epoch: st.Epoch, TopicID: info.id, Start: start}
	if err := in.o.Catalog.Begin(ctx, b); err != nil {
		return false, fmt.Errorf("begin partition %d of table %s: %w", p.tp.partition, p.table.def.Name, err)
	}
	p.first, p.next, p.committed = start, start, start
	return true, nil
}

// resume compares what the catalog says with what the broker has, and records a new generation or a loss before
// anything is read.
func (in *Ingester) resume(ctx context.Context, p *partition, st catalog.PartitionState, info *topicInfo) (bool, error) {
	logStart, logEnd := info.start[p.tp.partition], info.lastStable[p.tp.partition]
	why, err := in.otherLog(ctx, p, st, info)
	if err != nil {
		return false, err
	}
	if why != "" {
		return in.newGeneration(ctx, p, info, why)
	}
	p.target = max(logEnd, p.next)
	if logStart <= st.End {
		return true, nil
	}
	lost := segmenter.LedgerRow{
		Range:  segmenter.PartitionRange{Partition: p.tp.partition, Generation: st.Generation, Start: st.End, End: logStart},
		State:  segmenter.Lost,
		Reason: fmt.Sprintf("the broker's log starts at %d: retention removed the offsets before they were read", logStart),
	}
	if err := in.recordLoss(ctx, p, lost); err != nil {
		return false, err
	}
	return in.afterLoss(ctx, p.table.def, lost.Range.String()+" lost: "+lost.Reason)
}

// otherLog says why the broker's log is not the one that was read before, or nothing.
func (in *Ingester) otherLog(ctx context.Context, p *partition, st catalog.PartitionState, info *topicInfo) (string, error) {
	logStart, logEnd := info.start[p.tp.partition], info.lastStable[p.tp.partition]
	if st.TopicID != "" && info.id != "" && st.TopicID != info.id {
		return fmt.Sprintf("topic id changed from %s to %s: the topic was deleted and made again", st.TopicID, info.id), nil
	}
	if logEnd < st.End && logStart < st.End {
		return fmt.Sprintf("the log ends at %d, before the committed end %d: it was truncated or made again", logEnd, st.End), nil
	}
	f := st.Fingerprint
	if f == nil || f.Offset < logStart || f.Offset >= logEnd {
		return "", nil
	}
	fp, _, err := in.admin.read(ctx, p.tp, info.id, f.Offset)
	if err != nil {
		return "", err
	}
	for _, r := range fp.Records {
		if r.Offset != f.Offset || r.Attrs.IsControl() {
			continue
		}
		if got := fingerprint(r); got.TimestampMs != f.TimestampMs || got.Hash != f.Hash {
			return fmt.Sprintf("the record at offset %d is another one than was read there before", f.Offset), nil
		}
	}
	return "", nil // the same record, or compacted away since
}

func (in *Ingester) newGeneration(ctx context.Context, p *partition, info *topicInfo, why string) (bool, error) {
	start := info.start[p.tp.partition]
	gen, err := in.o.Catalog.NewGeneration(ctx, catalog.NewGeneration{
		TableID: p.table.def.ID, Partition: p.tp.partition, Epoch: p.epoch, TopicID: info.id, Start: start, Reason: why,
	})
	if err != nil {
		return false, fmt.Errorf("new generation of partition %d of table %s: %w", p.tp.partition, p.table.def.Name, err)
	}
	in.met.generations.Inc()
	in.o.Logger.LogAttrs(ctx, slog.LevelError, "topic began a new generation",
		slog.String("topic", p.tp.topic), slog.Int("partition", int(p.tp.partition)), slog.String("err", why))
	p.generation, p.first, p.next, p.committed = gen, start, start, start
	p.target = info.lastStable[p.tp.partition]
	return in.afterLoss(ctx, p.table.def, fmt.Sprintf("topic %s partition %d began generation %d: %s", p.tp.topic, p.tp.partition, gen, why))
}

// recordLoss commits a lost range and its ledger file (N4).
func (in *Ingester) recordLoss(ctx context.Context, p *partition, lost segmenter.LedgerRow) error {
	t := &tailRange{start: lost.Range.Start, end: lost.Range.End, table: p.table, lost: &lost}
	var files rangeFiles
	if err := p.tryPublish(ctx, t, &files); err != nil {
		return fmt.Errorf("record loss of %s: %w", lost.Range, err)
	}
	in.met.lost.Add(float64(lost.Range.Len()))
	in.o.Logger.LogAttrs(ctx, slog.LevelError, "offsets lost", slog.String("topic", p.tp.topic), slog.Int("partition", int(p.tp.partition)),
		slog.Int64("start_offset", lost.Range.Start), slog.Int64("end_offset", lost.Range.End), slog.String("err", lost.Reason))
	p.next, p.committed = lost.Range.End, lost.Range.End
	p.target = max(p.target, p.next)
	return nil
}

// afterLoss applies the table's policy: go on, or stop until a person has looked.
func (in *Ingester) afterLoss(ctx context.Context, def *cube.Table, what string) (bool, error) {
	if def.OnLoss == cube.LossSkip {
		return true, nil
	}
	reason := what + "; look at it, then: tidemark table resume " + def.Name
	if err := in.o.Catalog.SetTableState(ctx, def.ID, catalog.TableState{Stopped: true, Reason: reason}); err != nil {
		return false, fmt.Errorf("stop table %s: %w", def.Name, err)
	}
	in.o.Logger.LogAttrs(ctx, slog.LevelError, "table stopped", slog.String("topic", def.Topic), slog.String("err", reason))
	return false, nil
}

// errStopped ends a one-time read of a table that a policy stopped.
var errStopped = errors.New("table is stopped")
