package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// maxRegains is how often a partition is claimed again within takeoverPause. More than that is no person: it is another process
// of the same name, and the two must not fight.
const maxRegains = 5

// goesOn decides what a raised epoch, or a committed end that has moved, means for the partition. A person's change of rows
// raises the epoch and leaves the owner: the partition is claimed again and keeps what is in hand (true), or, where its end
// has moved, is opened again at that end. Anything else is another process that has taken it over (N2). It returns false
// where this reader of the partition ends. An error is one of the catalog: ask again.
func (p *partition) goesOn(ctx context.Context, cause error) (bool, error) {
	if err := acquire(ctx, p.claim); err != nil {
		return false, err
	}
	defer func() { <-p.claim }()
	if !p.in.current(p) {
		return false, nil // given up: whoever reads now is not concerned
	}
	p.mu.Lock()
	if time.Since(p.regained) >= takeoverPause {
		p.regained, p.regains = time.Now(), 0
	}
	table, epoch, generation, committed, regains := p.table.def.ID, p.epoch, p.generation, p.committed, p.regains
	p.mu.Unlock()
	info, err := p.in.partitionInfo(ctx, table, p.tp.partition)
	if err != nil {
		return false, err
	}
	ours := info.Owner == p.in.o.Owner
	switch moved := info.End != committed || info.Generation != generation; {
	case info.Epoch == epoch && !moved:
		return true, nil // claimed again meanwhile
	case info.Epoch != epoch && (!ours || regains >= maxRegains):
		p.in.lostPartition(p, cause)
		return false, nil
	case moved:
		p.in.reopen(p.tp, fmt.Sprintf("its committed end is %d by now, set by another", info.End))
		return false, nil
	}
	st, err := p.in.o.Catalog.Assign(ctx, catalog.Claim{TableID: table, Partition: p.tp.partition, Owner: p.in.o.Owner, Address: p.in.o.Address})
	if err != nil {
		return false, err
	}
	p.mu.Lock()
	p.epoch, p.first, p.regains = st.Epoch, st.Start, p.regains+1
	p.mu.Unlock()
	if st.End != committed || st.Generation != generation {
		p.in.reopen(p.tp, fmt.Sprintf("its committed end is %d by now, set by another", st.End))
		return false, nil
	}
	p.in.o.Logger.LogAttrs(ctx, slog.LevelInfo, "partition claimed again", slog.String("topic", p.tp.topic),
		slog.Int("partition", int(p.tp.partition)), slog.String("err", cause.Error()))
	return true, nil
}

// current reports whether p is the one that reads its partition.
func (in *Ingester) current(p *partition) bool {
	for _, x := range in.partitions() {
		if x == p {
			return true
		}
	}
	return false
}

// partitionInfo is what the catalog knows of one partition.
func (in *Ingester) partitionInfo(ctx context.Context, tableID string, partition int32) (catalog.PartitionInfo, error) {
	list, err := in.o.Catalog.Partitions(ctx, tableID)
	if err != nil {
		return catalog.PartitionInfo{}, err
	}
	for _, i := range list {
		if i.Partition == partition {
			return i, nil
		}
	}
	return catalog.PartitionInfo{}, fmt.Errorf("partition %d of table with id %s: %w", partition, tableID, catalog.ErrNotFound)
}

// checkEpochs finds partitions whose epoch a person's change has raised: one that reads nothing at present would not hear
// of it.
func (in *Ingester) checkEpochs(ctx context.Context) error {
	byTable := map[string][]*partition{}
	for _, p := range in.partitions() {
		byTable[p.tableID()] = append(byTable[p.tableID()], p)
	}
	for table, parts := range byTable {
		list, err := in.o.Catalog.Partitions(ctx, table)
		if errors.Is(err, catalog.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		epochs := map[int32]catalog.PartitionInfo{}
		for _, i := range list {
			epochs[i.Partition] = i
		}
		for _, p := range parts {
			p.mu.Lock()
			epoch := p.epoch
			p.mu.Unlock()
			i := epochs[p.tp.partition]
			if i.Epoch <= epoch || i.Owner != in.o.Owner {
				continue // another process: its first commit, or ours, tells
			}
			cause := &catalog.StaleEpochError{TableID: table, Partition: p.tp.partition, Epoch: epoch, Current: i.Epoch}
			in.later(func(ctx context.Context) {
				if _, err := p.goesOn(ctx, cause); err != nil && ctx.Err() == nil {
					in.o.Logger.LogAttrs(ctx, slog.LevelWarn, "partition not claimed again", slog.String("topic", p.tp.topic),
						slog.Int("partition", int(p.tp.partition)), slog.Any("err", err))
				}
			})
		}
	}
	return nil
}
