package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// beatEvery is how often a process without a scheduler says that it is alive: doctor takes one that has been silent for a
// minute for dead.
const beatEvery = 10 * time.Second

// beat makes a process that neither plans nor builds known to others until ctx is done. One with a scheduler says so by its passes.
func (n *node) beat(ctx context.Context, address string) error {
	name, err := n.data.NodeID()
	if err != nil {
		return err
	}
	me := catalog.Node{Name: name, Address: address, Roles: n.roles, Version: version()}
	incarnation := int64(0)
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		if incarnation == 0 {
			incarnation, err = n.catalog.RegisterNode(ctx, me)
		} else {
			err = n.catalog.Heartbeat(ctx, name, incarnation)
		}
		if err != nil && ctx.Err() == nil {
			n.log.LogAttrs(ctx, slog.LevelWarn, "heartbeat failed", slog.Any("err", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
