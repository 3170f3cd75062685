package hbase

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
)

// ErrNotConfigured says that cuboids lie, or are to lie, in an HBase that this process does not know.
var ErrNotConfigured = errors.New("no HBase is configured: set hbase.quorum to the host:port of its ZooKeeper on every process that builds, or store: files in the cube")

// errStop ends a scan from within.
var errStop = errors.New("enough")

// Store is the tables of an HBase. It is safe for concurrent use.
type Store struct {
	o       Options
	srv     server
	m       *metrics
	breaker breaker
	renew   func()
	close   func()
}

// Open returns the store. Nothing is asked of the server yet.
func Open(o Options) (*Store, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	c := newCluster(o)
	s, err := newStore(o, c)
	if err != nil {
		c.clients.close()
		return nil, err
	}
	s.renew, s.close = c.clients.renew, c.clients.close
	return s, nil
}

func newStore(o Options, srv server) (s *Store, err error) {
	s = &Store{o: o, srv: srv, renew: func() {}, close: func() {}}
	s.m, err = newMetrics(s)
	return s, err
}

// Close ends the connections. Calls that are under way fail.
func (s *Store) Close() { s.close() }

// BudgetError says that a table would bring the regions above their limit: HBase dies of too many.
type BudgetError struct {
	Regions, Wanted, Limit int
}

func (e *BudgetError) Error() string {
	return fmt.Sprintf("hbase: %d regions and %d more are above hbase.max_regions %d: run tidemark cleanup, merge or drop segments, or raise the limit", e.Regions, e.Wanted, e.Limit)
}

// Tables lists the tables with the prefix, by name, whatever their state, and notes their regions.
func (s *Store) Tables(ctx context.Context) (list []Table, err error) {
	var found map[string]tableState
	err = s.patiently(ctx, "list tables", func(ctx context.Context, _ func()) (err error) {
		found, err = s.srv.tables(ctx, s.o.Prefix+"_")
		return err
	})
	if err != nil {
		return nil, err
	}
	total := 0
	for name, state := range found {
		total += state.regions
		if t, ok := parseTable(s.o.Prefix, name); ok {
			t.Regions, t.Disabled = state.regions, state.disabled
			list = append(list, t)
		}
	}
	s.m.regions.Set(float64(total))
	slices.SortFunc(list, func(a, b Table) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// create makes an empty table, if there is room for its regions.
func (s *Store) create(ctx context.Context, table string, shards int) (warning string, err error) {
	list, err := s.Tables(ctx)
	if err != nil {
		return "", err
	}
	now := 0
	for _, t := range list {
		now += t.Regions
	}
	after := now + shards
	if after > s.o.MaxRegions {
		return "", &BudgetError{Regions: now, Wanted: shards, Limit: s.o.MaxRegions}
	}
	if after*5 > s.o.MaxRegions*4 {
		warning = fmt.Sprintf("hbase has %d regions of ours, at %d no table is made any more (hbase.max_regions)", after, s.o.MaxRegions)
		s.o.Logger.LogAttrs(ctx, slog.LevelWarn, "hbase has nearly as many regions as it may", slog.String("err", warning))
	}
	tries := 0
	err = s.patiently(ctx, "create table "+table, func(ctx context.Context, _ func()) error {
		tries++
		err := s.srv.create(ctx, table, splits(shards))
		if errors.Is(err, errExists) && tries > 1 {
			return nil // an earlier try took effect after all
		}
		return err
	})
	if err == nil {
		s.m.regions.Set(float64(after))
	}
	return warning, err
}

// put writes rows in batches that have limits.
func (s *Store) put(ctx context.Context, table string, rows []row) error {
	for len(rows) > 0 {
		n, size := 0, int64(0)
		for n < len(rows) && n < s.o.BatchRows && (n == 0 || size < s.o.BatchBytes) {
			size += int64(len(rows[n].key) + len(rows[n].value))
			n++
		}
		rest := rows[:n]
		err := s.patiently(ctx, fmt.Sprintf("write to table %s", table), func(ctx context.Context, alive func()) (err error) {
			if err := s.served(ctx, table); err != nil {
				return err
			}
			before := len(rest)
			rest, err = s.srv.put(ctx, table, rest)
			s.m.written.Add(float64(before - len(rest)))
			if len(rest) < before && err != nil {
				alive()
			}
			return err
		})
		if err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// scan gives rows in order. A scan that breaks off goes on behind the last row.
func (s *Store) scan(ctx context.Context, table string, from, to []byte, take func(r row) error) error {
	err := s.patiently(ctx, "read table "+table, func(ctx context.Context, alive func()) error {
		if err := s.served(ctx, table); err != nil {
			return err
		}
		return s.srv.scan(ctx, table, from, to, func(r row) error {
			alive()
			if err := take(r); err != nil {
				return err
			}
			s.m.read.Inc()
			from = append(bytes.Clone(r.key), 0)
			return nil
		})
	})
	if errors.Is(err, errNotFound) {
		return damaged(table, "it is gone")
	}
	if errors.Is(err, errDisabled) {
		return damaged(table, "it is disabled: enable it in the shell of HBase")
	}
	return err
}

// served asks whether a table can be read and written: with a disabled one the server lets callers wait for ever (H4).
func (s *Store) served(ctx context.Context, table string) error {
	found, err := s.srv.tables(ctx, table)
	if err != nil {
		return err
	}
	switch t, ok := found[table]; {
	case !ok:
		return errNotFound
	case t.disabled:
		return errDisabled
	}
	return nil
}

// Disable makes a table unreadable; Enable takes that back. Both pass over a table that is so already.
func (s *Store) Disable(ctx context.Context, table string) error {
	return s.alter(ctx, "disable", table, disable)
}

// Enable makes a disabled table readable.
func (s *Store) Enable(ctx context.Context, table string) error {
	return s.alter(ctx, "enable", table, enable)
}

// Drop removes a table, which is disabled first. One that is gone is success.
func (s *Store) Drop(ctx context.Context, table string) error {
	if err := s.alter(ctx, "disable", table, disable); err != nil {
		return err
	}
	return s.alter(ctx, "drop", table, remove)
}

func (s *Store) alter(ctx context.Context, word, table string, what change) error {
	if _, ok := parseTable(s.o.Prefix, table); !ok {
		return fmt.Errorf("hbase: %s table %s: its name is none of ours", word, table)
	}
	err := s.patiently(ctx, word+" table "+table, func(ctx context.Context, _ func()) error { return s.srv.alter(ctx, table, what) })
	if errors.Is(err, errState) && what != remove || errors.Is(err, errNotFound) && what != enable {
		return nil
	}
	return err
}

// Check asks the server for something small.
func (s *Store) Check(ctx context.Context) error {
	_, err := s.Tables(ctx)
	return err
}
