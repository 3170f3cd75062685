package main

import (
	"context"
	"net"
	"os"
	"runtime/debug"
	"slices"

	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/config"
)

// rights are what the roles of a process do with the store by themselves: clean-up removes, and who only answers writes nothing.
func rights(roles []string) blob.Rights {
	switch {
	case slices.Contains(roles, config.RoleSchedule):
		return blob.Deletes
	case slices.Contains(roles, config.RoleIngest), slices.Contains(roles, config.RoleBuild):
		return blob.Writes
	}
	return blob.Reads
}

func (n *node) has(role string) bool { return slices.Contains(n.roles, role) }

// plansOrBuilds reports whether the process runs tasks of the queue. One that does says by its passes that it is alive.
func (n *node) plansOrBuilds() bool { return n.has(config.RoleSchedule) || n.has(config.RoleBuild) }

// asksBrokers reports whether the process cannot do without brokers: those that build and answer can.
func (n *node) asksBrokers() bool { return n.has(config.RoleIngest) || n.has(config.RoleSchedule) }

// take makes what the roles of the process need. o is of reading, and of no use without the role ingest.
func (n *node) take(roles []string, at ports, o ingest.Options) error {
	n.roles, o.Address = roles, n.reached(at)
	if err := n.build(o.Address, n.registry); err != nil {
		return err
	}
	n.limitMemory()
	if !n.has(config.RoleIngest) {
		return n.serve(nil)
	}
	return n.read(o)
}

// limitMemory has the collector work harder before the process grows far over the budgets of what it does: beside events stand
// fetched batches and encoders, beside builds files that are being written, beside all of it the program itself. Whoever
// builds asks the queries of lookup tables. GOMEMLIMIT, where it is set, goes first.
func (n *node) limitMemory() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	limit := int64(32 << 20)
	if n.has(config.RoleIngest) {
		limit += n.cfg.Ingest.Memory + n.cfg.Ingest.Memory/2
	}
	if n.has(config.RoleBuild) {
		limit += n.cfg.Build.Memory + n.cfg.Build.Memory/8
	}
	if !n.mute || n.has(config.RoleBuild) {
		limit += n.cfg.Query.Held()
	}
	debug.SetMemoryLimit(limit)
}

// reached is where others are told to ask this process.
func (n *node) reached(at ports) string {
	if n.cfg.Advertise != "" {
		return n.cfg.Advertise
	}
	address := at.http.Addr().String()
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsUnspecified() {
		return address
	}
	name, err := os.Hostname()
	if err != nil {
		return address
	}
	return net.JoinHostPort(name, port)
}

// reads reads tables until ctx is done; a process that reads none has nothing else to wait for.
func (n *node) reads(ctx context.Context) error {
	if n.ingester == nil {
		<-ctx.Done()
		return nil
	}
	return n.ingester.Run(ctx)
}
