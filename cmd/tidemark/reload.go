package main

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
)

// reloadable are the settings that SIGHUP takes up.
var reloadable = []string{"log.level"}

// reloads takes up, each time the process gets SIGHUP, what can change while it runs: users, certificates and the level of
// the log. What is wrong stays as it was.
func (a *app) reloads(ctx context.Context, n *node) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-n.hangups:
			a.reload(ctx, n)
		}
	}
}

func (a *app) reload(ctx context.Context, n *node) {
	fresh, err := a.config()
	if err == nil {
		a.level.Set(fresh.Log.Level)
		now, was := fresh.Values(), n.cfg.Values()
		for _, key := range slices.Sorted(maps.Keys(now)) {
			if now[key] != was[key] && !slices.Contains(reloadable, key) {
				n.log.LogAttrs(ctx, slog.LevelWarn, "setting changed, which takes a restart", slog.String("kind", key))
			}
		}
	}
	if err = errors.Join(err, n.access.reload()); err != nil {
		n.log.LogAttrs(ctx, slog.LevelError, "not all was read again: the rest stays as it was", slog.String("err", strings.ReplaceAll(err.Error(), "\n", "; ")))
		return
	}
	n.log.LogAttrs(ctx, slog.LevelInfo, "users, certificates and the level of the log were read again")
}
