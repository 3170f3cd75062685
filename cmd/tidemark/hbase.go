package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/builder/cuboid/hbase"
	"github.com/tidemarkdb/tidemark/internal/config"
)

// openHBase returns the tables of cuboids, nil where none are configured.
func openHBase(cfg *config.Config, log *slog.Logger, metrics prometheus.Registerer) (*hbase.Store, error) {
	h := cfg.HBase
	if h.Quorum == "" {
		return nil, nil
	}
	return hbase.Open(hbase.Options{
		Quorum: h.Quorum, Root: h.Root, Prefix: h.Prefix, Timeout: h.Timeout, RetryFor: h.RetryFor, MaxRegions: h.MaxRegions,
		Logger: log, Registry: metrics,
	})
}

func checkHBase(ctx context.Context, cfg *config.Config) (string, error) {
	s, err := openHBase(cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		return "", err
	}
	defer s.Close()
	list, err := s.Tables(ctx)
	if err != nil {
		return "", fmt.Errorf("hbase.quorum %s: %w: check that ZooKeeper and the region servers run and can be reached from here", cfg.HBase.Quorum, err)
	}
	regions := 0
	for _, t := range list {
		regions += t.Regions
	}
	return fmt.Sprintf("%s answers, %d tables of ours with %d regions of at most %d", cfg.HBase.Quorum, len(list), regions, cfg.HBase.MaxRegions), nil
}
