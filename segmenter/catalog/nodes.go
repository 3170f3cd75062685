package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ErrNodeReplaced is in the chain when another process has registered under a node's name.
var ErrNodeReplaced = errors.New("another process has taken this node's name")

// forgetNodes is how long a silent node is remembered, by the task clock, unless it owns a partition.
const forgetNodes = 7 * 24 * time.Hour

// Node is a process as others see it.
type Node struct {
	Name        string // of one running process at a time, the same after a restart
	Incarnation int64  // rises with every start
	Address     string // host:port where it is asked; may be empty
	Roles       []string
	Version     string // of the program
	StartedUs   int64  // wall clock
	SeenUs      int64  // wall clock of its last heartbeat
	SilentUs    int64  // since then, by the task clock
}

// NodeSilence is how long a process may be silent until it is taken for dead by those who only look.
const NodeSilence = time.Minute

// Has reports whether the process has a role; one that names none has all.
func (n *Node) Has(role string) bool { return len(n.Roles) == 0 || slices.Contains(n.Roles, role) }

// Live reports whether the process was heard of within NodeSilence. Its heartbeat is by its own clock, which may be wrong by a day:
// while any process schedules or builds, the task clock counts how long it is silent, and whoever watches it knows since when its
// heartbeat has stood still (since, by the clock of now). Only one that looks for the first time (since is zero) while the task
// clock stands still, as far as all that are known show, has nothing but clocks to compare.
func (n *Node) Live(all []Node, now, since time.Time) bool {
	if n.SilentUs >= NodeSilence.Microseconds() {
		return false
	}
	if !since.IsZero() {
		return now.Sub(since) < NodeSilence
	}
	ticks := slices.ContainsFunc(all, func(o Node) bool {
		return (o.Has("schedule") || o.Has("build")) && now.Sub(time.UnixMicro(o.SeenUs)).Abs() < NodeSilence
	})
	return ticks || now.Sub(time.UnixMicro(n.SeenUs)) < NodeSilence
}

// RegisterNode makes a process known and returns its incarnation. Whatever ran under the name before is taken for dead: its
// leases end with the next pass of the new one. Nodes that have been silent for a week are forgotten, but for owners of partitions:
// one that nobody knows could not be told from one that has not registered yet.
func (c *Catalog) RegisterNode(ctx context.Context, n Node) (incarnation int64, err error) {
	if n.Name == "" {
		return 0, errors.New("catalog: register node: no name given")
	}
	err = c.write(ctx, "register node "+n.Name, func(t *tx) error {
		q, err := t.lockQueue()
		if err != nil {
			return err
		}
		// The queue's own counter: a node that was forgotten must not come back under an incarnation it had.
		incarnation = q.seq()
		if _, err := t.exec(`INSERT INTO nodes (name, incarnation, address, roles, version, started_us, seen_us, seen_tick)
			VALUES ($1, $2, $3, $4, $5, $6, $6, $7) ON CONFLICT (name) DO UPDATE SET incarnation = $2, address = $3, roles = $4,
			version = $5, started_us = $6, seen_us = $6, seen_tick = $7`,
			n.Name, incarnation, n.Address, strings.Join(n.Roles, ","), n.Version, now(), q.tick); err != nil {
			return err
		}
		if _, err := t.exec(`DELETE FROM nodes WHERE seen_tick < $1 AND name NOT IN (SELECT owner FROM partitions)`, q.tick-forgetNodes.Microseconds()); err != nil {
			return err
		}
		return t.saveQueue(q)
	})
	return incarnation, err
}

// Heartbeat says that a process without a scheduler is alive. One with a scheduler says so with every pass. It fails with
// ErrNodeReplaced.
func (c *Catalog) Heartbeat(ctx context.Context, name string, incarnation int64) error {
	return c.write(ctx, "heartbeat of node "+name, func(t *tx) error {
		q, err := t.lockQueue()
		if err != nil {
			return err
		}
		return t.beat(name, incarnation, q.tick)
	})
}

func (t *tx) beat(name string, incarnation, tick int64) error {
	n, err := t.exec(`UPDATE nodes SET seen_us = $3, seen_tick = $4 WHERE name = $1 AND incarnation = $2`, name, incarnation, now(), tick)
	if err == nil && n == 0 {
		return fmt.Errorf("node %s, incarnation %d: %w", name, incarnation, ErrNodeReplaced)
	}
	return err
}

// Nodes lists processes by name.
func (c *Catalog) Nodes(ctx context.Context) (list []Node, err error) {
	err = c.read(ctx, "list nodes", func(t *tx) error {
		list = nil
		tick, err := t.tick()
		if err != nil {
			return err
		}
		return t.each(func(scan func(...any) error) error {
			var n Node
			var roles string
			var seen int64
			err := scan(&n.Name, &n.Incarnation, &n.Address, &roles, &n.Version, &n.StartedUs, &n.SeenUs, &seen)
			if roles != "" {
				n.Roles = strings.Split(roles, ",")
			}
			n.SilentUs = tick - seen
			list = append(list, n)
			return err
		}, `SELECT name, incarnation, address, roles, version, started_us, seen_us, seen_tick FROM nodes ORDER BY name`)
	})
	return list, err
}
