package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// topicsEvery is how often the brokers are asked about partitions, ids and ends of topics that are read well.
const topicsEvery = 5 * time.Second

// reconcileLoop brings what is read in line with what the catalog and the brokers say, until ctx is done or UntilEnd
// has nothing left.
func (in *Ingester) reconcileLoop(ctx context.Context) error {
	tick := time.NewTicker(in.o.Interval)
	defer tick.Stop()
	revision := int64(-1)
	for {
		rev, err := in.pass(ctx, revision, time.Now())
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			in.o.Logger.LogAttrs(ctx, slog.LevelWarn, "ingest pass failed", slog.Any("err", err))
		default:
			revision = rev
		}
		if done, err := in.finished(); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-in.wakeup:
		}
	}
}

// pass costs what there is to do: tables are only read when the catalog's revision changed.
func (in *Ingester) pass(ctx context.Context, revision int64, now time.Time) (int64, error) {
	rev, err := in.o.Catalog.Revision(ctx)
	if err != nil {
		return revision, err
	}
	if rev != revision {
		if err := in.loadTables(ctx); err != nil {
			return revision, err
		}
		if err := in.rollRequests(ctx); err != nil {
			return revision, err
		}
	} else if in.rollsOpen {
		if err := in.rollRequests(ctx); err != nil {
			return revision, err
		}
	}
	for _, topic := range in.wantedTopics() {
		in.checkTopic(ctx, topic, now)
	}
	if err := in.changes(ctx, rev != revision, now); err != nil {
		return revision, err
	}
	for _, p := range in.partitions() {
		p.rollIfOlder(now)
		in.probe(p, now)
	}
	in.pressure() // of partitions that have gone quiet, too
	in.expirePins(now)
	in.courtesy(ctx, now)
	return rev, nil
}

// changes looks at what others have asked of partitions, or have done to them.
func (in *Ingester) changes(ctx context.Context, fresh bool, now time.Time) error {
	if fresh {
		if err := in.checkEpochs(ctx); err != nil {
			return err
		}
	}
	if fresh || in.rereadsOpen {
		return in.rereadRequests(ctx, now)
	}
	return nil
}

// loadTables compiles new definitions, switches partitions to them, and releases tables that were dropped or stopped.
func (in *Ingester) loadTables(ctx context.Context) error {
	defs, err := in.o.Catalog.Tables(ctx, in.o.Project)
	if err != nil {
		return err
	}
	keep := map[string]*table{}
	stopped := map[string]Source{}
	for _, def := range defs {
		if in.o.Table != "" && def.Name != in.o.Table {
			continue
		}
		st, err := in.o.Catalog.TableState(ctx, def.ID)
		if err != nil {
			return err
		}
		if st.Stopped {
			stopped[def.ID] = Source{Project: def.Project, Table: def.Name, Topic: def.Topic, Partition: -1, State: Stopped, Reason: st.Reason}
			if in.o.UntilEnd {
				in.fail(fmt.Errorf("table %s: %w: %s", def.Name, errStopped, st.Reason))
			}
			continue
		}
		in.mu.Lock()
		t := in.tables[def.ID]
		in.mu.Unlock()
		if t == nil || !t.same(def) {
			if t, err = compile(def); err != nil { // the others go on
				stopped[def.ID] = Source{Project: def.Project, Table: def.Name, Topic: def.Topic, Partition: -1, State: Stopped, Reason: err.Error()}
				if in.o.UntilEnd {
					in.fail(fmt.Errorf("table %s: %w", def.Name, err))
				}
				continue
			}
		}
		keep[def.ID] = t
	}
	in.mu.Lock()
	in.tables, in.stopped = keep, stopped
	in.loaded = true
	in.mu.Unlock()
	in.applyTables(keep)
	return nil
}

// applyTables brings the open sources in line: newer definitions are switched to; a source that reads a table that is
// gone, or lacks one, is opened again.
func (in *Ingester) applyTables(tables map[string]*table) {
	in.mu.Lock()
	var reopen []topicPartition
	for tp, s := range in.sources {
		want := 0
		for _, t := range tables {
			if t.def.Topic == tp.topic {
				want++
			}
		}
		same := len(s.parts) == want
		for _, p := range s.parts {
			t := tables[p.tableID()]
			if t == nil {
				same = false
				continue
			}
			p.switchTable(t)
		}
		if !same {
			reopen = append(reopen, tp)
		}
	}
	in.mu.Unlock()
	for _, tp := range reopen {
		in.reopen(tp, "the tables of the topic changed")
	}
}

func (p *partition) tableID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.table.def.ID
}

func (in *Ingester) wantedTopics() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	var topics []string
	for _, t := range in.tables {
		if !slices.Contains(topics, t.def.Topic) {
			topics = append(topics, t.def.Topic)
		}
	}
	slices.Sort(topics)
	return topics
}

// checkTopic asks the brokers about a topic, when it is time to, and starts what is not read yet.
func (in *Ingester) checkTopic(ctx context.Context, topic string, now time.Time) {
	in.mu.Lock()
	st := in.topics[topic]
	if st == nil {
		st = &topicState{}
		in.topics[topic] = st
	}
	every := topicsEvery
	if st.info == nil || in.o.UntilEnd {
		every = in.o.Interval
	}
	due := st.checked.IsZero() || now.Sub(st.checked) >= every
	before := st.info
	in.mu.Unlock()
	if !due {
		return
	}
	askCtx, cancel := context.WithTimeout(ctx, 15*time.Second)
	info, err := in.admin.topic(askCtx, topic)
	cancel()
	in.mu.Lock()
	changed := (st.err == nil) != (err == nil)
	st.checked, st.err = time.Now(), err
	if err == nil {
		st.info = info
	}
	in.mu.Unlock()
	if err != nil {
		if changed {
			in.o.Logger.LogAttrs(ctx, slog.LevelWarn, "topic cannot be read", slog.String("topic", topic), slog.Any("err", err))
		}
		if ctx.Err() == nil {
			in.unanswered(topic, err)
		}
		if errors.Is(err, kerr.SaslAuthenticationFailed) && in.o.UntilEnd {
			in.fail(err) // asking again with the same password only locks accounts
		}
		if errors.Is(err, ErrNoTopic) && in.o.FailOnMissingTopic {
			in.fail(fmt.Errorf("topic %s: %w: create it, or correct the table's topic", topic, err))
		}
		return
	}
	if before != nil && before.id != info.id && before.id != "" {
		in.reopenTopic(topic, "the topic has another id: it was deleted and made again")
		return
	}
	in.startTopic(ctx, topic, info)
}

// unanswered has the partitions of a topic tell that the brokers do not: the client that fetches keeps it to itself.
func (in *Ingester) unanswered(topic string, err error) {
	for _, p := range in.partitions() {
		if p.tp.topic == topic {
			p.fail(Failing, err.Error())
		}
	}
}

// wants reports whether a partition is among those that were chosen.
func (in *Ingester) wants(partition int32) bool {
	return len(in.o.Partitions) == 0 || slices.Contains(in.o.Partitions, partition)
}

// untold has one partition tell that the brokers did not say where it ends.
func (in *Ingester) untold(tp topicPartition, err error) {
	in.mu.Lock()
	s := in.sources[tp]
	if s == nil && in.feed.owns(tp) && in.wants(tp.partition) {
		in.unread[tp] = unread{Failing, err.Error()}
	}
	in.mu.Unlock()
	if s == nil {
		return
	}
	for _, p := range s.parts {
		p.fail(Failing, err.Error())
	}
}

// startTopic starts partitions that are not read yet and notes the ends of the others.
func (in *Ingester) startTopic(ctx context.Context, topic string, info *topicInfo) {
	in.feed.subscribe(topic)
	for id, err := range info.unknown {
		in.untold(topicPartition{topic, id}, err)
	}
	opened := map[topicPartition]int64{}
	for id := range info.lastStable {
		tp := topicPartition{topic, id}
		in.mu.Lock()
		s, again := in.sources[tp], in.reopening[tp]
		in.mu.Unlock()
		switch {
		case s != nil:
			for _, p := range s.parts {
				p.mu.Lock()
				p.seenLocked(info, time.Now())
				p.mu.Unlock()
			}
		case again || !in.feed.owns(tp):
		case !in.wants(id):
		default:
			offset, ok, err := in.openSource(ctx, tp, info)
			if err != nil {
				in.notOpened(ctx, tp, err)
			}
			if ok {
				opened[tp] = offset
			}
		}
	}
	if len(opened) > 0 {
		in.startReading(ctx, opened)
	}
}

// rollRequests seals what builds wait for. A request ends when what it asked for is committed.
func (in *Ingester) rollRequests(ctx context.Context) error {
	reqs, err := in.o.Catalog.RollRequests(ctx)
	if err != nil {
		return err
	}
	in.rollsOpen = len(reqs) > 0
	upTo := map[rollKey]int64{}
	for _, r := range reqs {
		for _, p := range in.partitions() {
			if p.tableID() != r.TableID || r.Partition >= 0 && r.Partition != p.tp.partition {
				continue
			}
			key := rollKey{r.ID, p.tp.partition}
			end, known := in.rollUpTo[key]
			if !known {
				end = p.rollEnd(r.UpTo)
			}
			if !p.begunAfter(r.Generation) && !p.rolled(end) {
				upTo[key] = end
				continue
			}
			if err := in.o.Catalog.FinishRoll(ctx, r.ID, p.tp.partition); err != nil {
				return err
			}
		}
	}
	in.rollUpTo = upTo
	return nil
}

// begunAfter reports whether a partition is beyond a generation: nothing of that is left to be committed.
func (p *partition) begunAfter(generation int32) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.generation > generation
}

// rollKey names a partition's part of a roll request.
type rollKey struct {
	id        int64
	partition int32
}

// rollEnd fixes what "all that was read" means when a request is first seen.
func (p *partition) rollEnd(upTo int64) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if upTo == 0 {
		return p.next
	}
	return upTo
}

// rolled reports whether offsets below upTo (0: all that was read) are committed, and seals the open range if it is
// needed for that.
func (p *partition) rolled(upTo int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.committed >= upTo {
		return true
	}
	if p.open != nil && p.open.start < upTo && p.open.end >= upTo {
		p.sealLocked("request")
	}
	return false
}

// courtesy tells the consumer group how far the catalog is.
func (in *Ingester) courtesy(ctx context.Context, now time.Time) {
	if in.o.Group == "" || now.Sub(in.courtesyAt) < topicsEvery {
		return
	}
	in.courtesyAt = now
	done := map[topicPartition]int64{}
	for _, p := range in.partitions() {
		p.mu.Lock()
		if at, ok := done[p.tp]; !ok || p.committed < at {
			done[p.tp] = p.committed
		}
		p.mu.Unlock()
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := in.feed.courtesy(ctx, done); err != nil {
		in.o.Logger.LogAttrs(ctx, slog.LevelDebug, "group offsets not committed", slog.Any("err", err))
	}
}

// partitions returns all that are read, in a stable order.
func (in *Ingester) partitions() []*partition {
	in.mu.Lock()
	defer in.mu.Unlock()
	var all []*partition
	for _, s := range in.sources {
		all = append(all, s.parts...)
	}
	slices.SortFunc(all, func(a, b *partition) int {
		if a.tp.topic != b.tp.topic {
			if a.tp.topic < b.tp.topic {
				return -1
			}
			return 1
		}
		return int(a.tp.partition - b.tp.partition)
	})
	return all
}

// stopTable stops a table that has too many unreadable records. It returns at once.
func (in *Ingester) stopTable(def *cube.Table, share, limit float64) {
	reason := fmt.Sprintf("%.1f%% of the last %d records are unreadable, the limit is %.1f%%: look at them with `tidemark quarantine list %s`, mend the definition or the producer, then: tidemark table resume %s",
		100*share, def.Quarantine.Window, 100*limit, def.Name, def.Name)
	in.later(func(ctx context.Context) {
		if err := in.o.Catalog.SetTableState(ctx, def.ID, catalog.TableState{Stopped: true, Reason: reason}); err != nil {
			in.o.Logger.LogAttrs(ctx, slog.LevelError, "table not stopped", slog.String("topic", def.Topic), slog.Any("err", err))
			return
		}
		in.o.Logger.LogAttrs(ctx, slog.LevelError, "table stopped", slog.String("topic", def.Topic), slog.String("err", reason))
		in.poke()
	})
}

// finished reports whether Run is to end: something fatal happened, or UntilEnd has nothing left to read.
func (in *Ingester) finished() (bool, error) {
	in.mu.Lock()
	fatal, loaded := in.fatal, in.loaded && in.rereadsMine == 0
	in.mu.Unlock()
	if fatal != nil {
		return true, nil // Run returns it
	}
	if !in.o.UntilEnd || !loaded {
		return false, nil
	}
	for _, topic := range in.wantedTopics() {
		in.mu.Lock()
		st := in.topics[topic]
		var info *topicInfo
		if st != nil {
			info = st.info
		}
		in.mu.Unlock()
		if info == nil {
			return false, nil
		}
		if len(info.unknown) > 0 {
			return false, nil
		}
		for id := range info.lastStable {
			if !in.wants(id) {
				continue
			}
			in.mu.Lock()
			s := in.sources[topicPartition{topic, id}]
			in.mu.Unlock()
			if s == nil || !s.atEnd() {
				return false, nil
			}
		}
	}
	return true, in.rereadsLeft()
}

// atEnd reports whether all up to the target is committed, and seals what is open once it is read.
func (s *source) atEnd() bool {
	done := true
	for _, p := range s.parts {
		p.mu.Lock()
		if p.committed < p.target {
			done = false
			if p.next >= p.target && len(p.sealed) == 0 {
				p.sealLocked("end")
			}
		}
		p.mu.Unlock()
	}
	return done
}
