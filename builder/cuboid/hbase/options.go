package hbase

import (
	"log/slog"
	"regexp"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/internal/complaints"
)

// Options configure a Store. The zero value of a field means its default.
type Options struct {
	Quorum string // host:port of ZooKeeper's servers, with commas between; required
	Root   string // ZooKeeper's node of HBase; default /hbase
	Prefix string // of the names of tables, a to z and 0 to 9; default tidemark. Catalogs may share it

	Timeout  time.Duration // of a call, of a batch of puts, and between two rows of a scan; default 20s
	RetryFor time.Duration // how long a call is tried again; default 2m
	BackOff  time.Duration // after the first failed try, doubled with each up to 16 times; default 500ms
	CoolDown time.Duration // between tries at a server that has been gone for RetryFor, of all callers together; default 10s

	BatchRows   int   // rows of a batch of puts; default 4096
	BatchBytes  int64 // bytes that end a batch too; default 16 MiB
	Puts        int   // at once, which the client joins to calls of the server; default 512
	GroupRows   int   // rows that are read at once; default 16384, at most 131072
	GroupBytes  int64 // bytes of keys and values that end a group too; default 8 MiB
	MaxRegions  int   // of all tables with the prefix; default 2000. From 80% on there are warnings, and no table is made beyond it
	ShardEvents int64 // events of a segment for each region of its table, where the cube has shard_by; default 2,000,000
	MaxShards   int   // regions of a table; default 16

	Logger   *slog.Logger          // default: discard
	Registry prometheus.Registerer // default: one that nobody reads
}

func (o Options) withDefaults() Options {
	text := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	dur := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	num := func(n *int, v int) {
		if *n == 0 {
			*n = v
		}
	}
	text(&o.Root, "/hbase")
	text(&o.Prefix, "tidemark")
	dur(&o.Timeout, 20*time.Second)
	dur(&o.RetryFor, 2*time.Minute)
	dur(&o.BackOff, 500*time.Millisecond)
	dur(&o.CoolDown, 10*time.Second)
	num(&o.BatchRows, 4096)
	num(&o.Puts, 512)
	num(&o.MaxRegions, 2000)
	num(&o.MaxShards, 16)
	num(&o.GroupRows, 1<<14)
	if o.GroupBytes == 0 {
		o.GroupBytes = 8 << 20
	}
	if o.BatchBytes == 0 {
		o.BatchBytes = 16 << 20
	}
	if o.ShardEvents == 0 {
		o.ShardEvents = 2_000_000
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	return o
}

func (o Options) validate() error {
	bad := complaints.List{Package: "hbase"}
	bad.If(o.Quorum == "", "no address of ZooKeeper given")
	bad.If(!regexp.MustCompile(`^[a-z][a-z0-9]{0,31}$`).MatchString(o.Prefix), "prefix %q: want at most 32 of a to z and 0 to 9, a letter first", o.Prefix)
	bad.If(min(o.Timeout, o.RetryFor, o.BackOff, o.CoolDown) < 0, "a time is below 0")
	bad.If(min(o.BatchRows, o.Puts, o.GroupRows, o.MaxRegions, o.MaxShards) < 1 || min(o.BatchBytes, o.GroupBytes, o.ShardEvents) < 1, "a limit is below 1")
	bad.If(o.GroupRows > cuboid.GroupRows, "%d rows in one group: want at most %d", o.GroupRows, cuboid.GroupRows)
	bad.If(o.MaxShards > 1000, "max shards %d: want at most 1000", o.MaxShards)
	return bad.Err()
}
