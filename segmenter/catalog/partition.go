package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// Claim asks for a partition.
type Claim struct {
	TableID   string
	Partition int32
	Owner     string // who reads it, for people
	Address   string // host:port where its tail is asked for; may be empty
}

// PartitionState is what an owner needs to go on.
type PartitionState struct {
	Epoch       int64
	Begun       bool // a first offset is fixed: Begin was called
	Generation  int32
	TopicID     string       // of the generation; empty where the broker gives none
	Start, End  int64        // of the generation: what is committed
	LeaderEpoch int32        // of the last record that was read; -1: unknown
	Fingerprint *Fingerprint // of the last record that was read in this generation; nil: none yet
	Events      int64        // of all generations
	HasTime     bool         // an event was ever committed, so that MaxTimeUs means something
	MaxTimeUs   int64        // highest event time ever committed; never goes back
}

// Fingerprint tells a record from another one at the same offset of a topic that was made again.
type Fingerprint struct {
	Offset      int64
	TimestampMs int64
	Hash        string
	LeaderEpoch int32 // -1: unknown
}

// part is a row of partitions, locked until its transaction ends.
type part struct {
	tableID   string
	partition int32
	PartitionState
	owner, address  string
	generationEpoch int64
	stats           TableStats
	was             partState // when it was read
}

const partColumns = `p.table_id, p.partition, p.epoch, p.owner, p.address, p.begun, p.generation, p.generation_epoch, p.topic_id,
	p.start_offset, p.end_offset, p.fp_offset, p.fp_timestamp_ms, p.fp_hash, p.fp_leader_epoch, p.max_time_us,
	p.ledger_rows, p.events, p.gaps, p.quarantined, p.skipped, p.lost, p.files, p.bytes`

func scanPart(scan func(...any) error) (*part, error) {
	p := new(part)
	var fp Fingerprint
	var maxTime sql.NullInt64
	s := &p.stats
	err := scan(&p.tableID, &p.partition, &p.Epoch, &p.owner, &p.address, &p.Begun, &p.Generation, &p.generationEpoch, &p.TopicID,
		&p.Start, &p.End, &fp.Offset, &fp.TimestampMs, &fp.Hash, &fp.LeaderEpoch, &maxTime,
		&s.Rows, &s.Events, &s.Gaps, &s.Quarantined, &s.Skipped, &s.Lost, &s.Files, &s.Bytes)
	if err != nil {
		return nil, err
	}
	p.Events, p.HasTime, p.MaxTimeUs = s.Events, maxTime.Valid, maxTime.Int64
	p.LeaderEpoch = -1
	if fp.Offset >= 0 {
		p.Fingerprint, p.LeaderEpoch = &fp, fp.LeaderEpoch
	}
	p.was = p.state()
	return p, nil
}

// lockPartition reads a partition and keeps others from changing it until the transaction ends (C1).
func (t *tx) lockPartition(tableID string, partition int32) (*part, error) {
	if err := t.wantLive(tableID); err != nil {
		return nil, err
	}
	p, err := scanPart(t.row(`SELECT `+partColumns+` FROM partitions p WHERE p.table_id = $1 AND p.partition = $2`+t.c.forUpdate,
		tableID, partition).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("table with id %s, partition %d: %w", tableID, partition, ErrNotFound)
	}
	return p, err
}

// wantLive fails for a table that does not exist or was dropped. A drop that comes right after it raises all epochs, so
// that the change is refused as stale or was before the drop.
func (t *tx) wantLive(tableID string) error {
	var dropped int64
	err := t.row(`SELECT dropped_us FROM tables WHERE id = $1`, tableID).Scan(&dropped)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("table with id %s: %w", tableID, ErrNotFound)
	case err == nil && dropped != 0:
		return fmt.Errorf("table with id %s was dropped: %w", tableID, ErrNotFound)
	}
	return err
}

// save writes back everything that a change may have touched, and remembers what became of the partition.
func (t *tx) save(p *part) error {
	if err := t.remember(p); err != nil {
		return err
	}
	fp := Fingerprint{Offset: -1, LeaderEpoch: -1}
	if p.Fingerprint != nil {
		fp = *p.Fingerprint
	}
	s := p.stats
	_, err := t.exec(`UPDATE partitions SET epoch = $3, owner = $4, address = $5, begun = $6, generation = $7, generation_epoch = $8,
		topic_id = $9, start_offset = $10, end_offset = $11, fp_offset = $12, fp_timestamp_ms = $13, fp_hash = $14,
		fp_leader_epoch = $15, max_time_us = $16, ledger_rows = $17, events = $18, gaps = $19, quarantined = $20,
		skipped = $21, lost = $22, files = $23, bytes = $24
		WHERE table_id = $1 AND partition = $2`,
		p.tableID, p.partition, p.Epoch, p.owner, p.address, flag(p.Begun), p.Generation, p.generationEpoch,
		p.TopicID, p.Start, p.End, fp.Offset, fp.TimestampMs, fp.Hash,
		fp.LeaderEpoch, sql.NullInt64{Int64: p.MaxTimeUs, Valid: p.HasTime},
		s.Rows, s.Events, s.Gaps, s.Quarantined, s.Skipped, s.Lost, s.Files, s.Bytes)
	return err
}

// Assign takes a partition over: one transaction raises its epoch and reads its end (I3). From then on every change under
// an older epoch is refused. A partition that was never seen is known from then on, not begun.
func (c *Catalog) Assign(ctx context.Context, a Claim) (s PartitionState, err error) {
	if a.Partition < 0 {
		return s, fmt.Errorf("catalog: assign: partition %d is negative", a.Partition)
	}
	err = c.write(ctx, fmt.Sprintf("assign table %s p%d", a.TableID, a.Partition), func(t *tx) error {
		if err := t.wantLive(a.TableID); err != nil {
			return err
		}
		if _, err := t.exec(`INSERT INTO partitions (table_id, partition, epoch) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING`,
			a.TableID, a.Partition); err != nil {
			return err
		}
		p, err := t.lockPartition(a.TableID, a.Partition)
		if err != nil {
			return err
		}
		p.Epoch++
		p.owner, p.address = a.Owner, a.Address
		s = p.PartitionState
		return t.save(p)
	})
	if err != nil {
		return PartitionState{}, err
	}
	return s, nil
}

// Release gives a partition back: nobody is asked for its tail until it is assigned again. A stale epoch changes nothing
// and is no error: the partition has another owner already.
func (c *Catalog) Release(ctx context.Context, tableID string, partition int32, epoch int64) error {
	return c.write(ctx, fmt.Sprintf("release table %s p%d", tableID, partition), func(t *tx) error {
		_, err := t.exec(`UPDATE partitions SET owner = '', address = '' WHERE table_id = $1 AND partition = $2 AND epoch = $3`,
			tableID, partition, epoch)
		return err
	})
}

// Begin fixes where a partition is first read.
type Begin struct {
	TableID   string
	Partition int32
	Epoch     int64
	TopicID   string
	Start     int64
}

// Begin fixes the first offset of a partition before anything is read, so that "latest" means the same after a crash. A
// partition begins once; another start than the one it has is a *ConflictError.
func (c *Catalog) Begin(ctx context.Context, b Begin) error {
	if b.Start < 0 {
		return fmt.Errorf("catalog: begin: start %d is negative", b.Start)
	}
	return c.write(ctx, fmt.Sprintf("begin table %s p%d", b.TableID, b.Partition), func(t *tx) error {
		p, err := t.lockPartition(b.TableID, b.Partition)
		if err != nil {
			return err
		}
		if err := p.fence(b.Epoch); err != nil {
			return err
		}
		if p.Begun {
			if p.Generation == 0 && p.Start == b.Start && p.End == b.Start && p.TopicID == b.TopicID {
				return nil // C3
			}
			return &ConflictError{
				What:   p.String(),
				Reason: fmt.Sprintf("it began already and is at g%d offset %d: go on there", p.Generation, p.End),
			}
		}
		p.Begun, p.TopicID, p.Start, p.End, p.generationEpoch = true, b.TopicID, b.Start, b.Start, b.Epoch
		return t.save(p)
	})
}

// NewGeneration closes a partition's generation at its committed end and opens the next.
type NewGeneration struct {
	TableID   string
	Partition int32
	Epoch     int64
	TopicID   string
	Start     int64
	Reason    string // what told us: topic id, log start, fingerprint ...
}

// NewGeneration returns the number of the new generation (I3: before any event of it enters the tail).
func (c *Catalog) NewGeneration(ctx context.Context, g NewGeneration) (generation int32, err error) {
	if g.Start < 0 {
		return 0, fmt.Errorf("catalog: new generation: start %d is negative", g.Start)
	}
	err = c.write(ctx, fmt.Sprintf("new generation of table %s p%d", g.TableID, g.Partition), func(t *tx) error {
		p, err := t.lockPartition(g.TableID, g.Partition)
		if err != nil {
			return err
		}
		if err := p.fence(g.Epoch); err != nil {
			return err
		}
		if !p.Begun {
			return &ConflictError{What: p.String(), Reason: "it has not begun: call Begin with its first offset"}
		}
		generation = p.Generation
		if p.Generation > 0 && p.generationEpoch == g.Epoch && p.Start == g.Start && p.End == g.Start && p.TopicID == g.TopicID {
			return nil // C3
		}
		if _, err := t.exec(`INSERT INTO generations (table_id, partition, generation, topic_id, start_offset, end_offset,
			reason, closed_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			g.TableID, g.Partition, p.Generation, p.TopicID, p.Start, p.End, g.Reason, now()); err != nil {
			return err
		}
		p.Generation++
		p.generationEpoch, p.TopicID, p.Start, p.End, p.Fingerprint = g.Epoch, g.TopicID, g.Start, g.Start, nil
		generation = p.Generation
		return t.save(p)
	})
	return generation, err
}

// fence refuses a caller whose epoch is not the current one (I3).
func (p *part) fence(epoch int64) error {
	if epoch == p.Epoch {
		return nil
	}
	return &StaleEpochError{TableID: p.tableID, Partition: p.partition, Epoch: epoch, Current: p.Epoch}
}

func (p *part) String() string { return fmt.Sprintf("table %s p%d", p.tableID, p.partition) }

// line is what is committed of the present generation.
func (p *part) line() segmenter.PartitionRange {
	return segmenter.PartitionRange{Partition: p.partition, Generation: p.Generation, Start: p.Start, End: p.End}
}
