package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"
)

// Query holds the limits of statements.
type Query struct {
	Concurrent int64 // 0: four a core
	Queue      int
	QueueWait  time.Duration
	Abandoned  int64 // 0: as Concurrent
	Timeout    time.Duration
	Memory     int64 // bytes of one statement; 0 of the other sizes is off or none
	Disk       int64 // bytes of what the rest of statements spills
	SQLBytes   int64
	MaxRows    int64 // 0: any number
	Slow       time.Duration
	History    int
	EdgeRanges int

	ProgramBytes int64

	Raw           string // allow, warn or refuse
	RawBytes      int64
	RawConcurrent int64 // 0: one, of more than two cores two
	RawQueueWait  time.Duration

	LookupBytes int64
	IDBytes     int64

	ResultCacheBytes int64
	ColumnCacheBytes int64
	CellCacheBytes   int64
	FoldedCacheBytes int64
	FileCacheBytes   int64
	FileCache        string // "" = the folder query-files in Data
}

// minQueryMemory is what one statement needs to fold anything.
const minQueryMemory = 16 << 20

// minCacheBytes is the least that a cache can be.
const minCacheBytes = 1 << 20

// QueryDir returns the folder of what statements spill.
func (c *Config) QueryDir() string { return filepath.Join(c.Data, "query") }

// FileCacheDir returns the folder of copies of parts of a store's files.
func (c *Config) FileCacheDir() string {
	if c.Query.FileCache == "" {
		return filepath.Join(c.Data, "query-files")
	}
	return c.Query.FileCache
}

// Held returns about what queries hold of memory that the collector sees: their caches, and two statements at work.
func (q *Query) Held() int64 {
	return q.ResultCacheBytes + q.ColumnCacheBytes + q.CellCacheBytes + q.FoldedCacheBytes + 2*q.Memory
}

func (q *Query) validate() error {
	var errs []error
	if q.Memory < minQueryMemory {
		errs = append(errs, fmt.Errorf("query.memory is %s: want at least %s", FormatSize(q.Memory), FormatSize(minQueryMemory)))
	}
	for _, c := range []struct {
		key string
		n   int64
	}{
		{"result_cache_bytes", q.ResultCacheBytes},
		{"column_cache_bytes", q.ColumnCacheBytes},
		{"cell_cache_bytes", q.CellCacheBytes},
		{"folded_cache_bytes", q.FoldedCacheBytes},
		{"file_cache_bytes", q.FileCacheBytes},
	} {
		if c.n != 0 && c.n < minCacheBytes {
			errs = append(errs, fmt.Errorf("query.%s is %s: want 0 for none, or at least %s", c.key, FormatSize(c.n), FormatSize(minCacheBytes)))
		}
	}
	return errors.Join(errs...)
}

func querySettings() []Setting {
	return append([]Setting{
		row("query.concurrent", "query-concurrent", "N", "0", "statements that run at once, those that read events apart; others wait; 0: four a core").
			limit(func(c *Config) *int64 { return &c.Query.Concurrent }),
		row("query.queue", "query-queue", "N", "64", "statements that wait for their turn; more are refused").
			count(func(c *Config) *int { return &c.Query.Queue }),
		row("query.queue_wait", "query-queue-wait", "TIME", "1s", "how long a statement waits for its turn, then it is refused").
			duration(func(c *Config) *time.Duration { return &c.Query.QueueWait }),
		row("query.abandoned", "query-abandoned", "N", "0", "statements that are still worked on after they were told to end, because DuckDB looks for that between chunks of rows only; with so many others are refused; 0: as query.concurrent").
			limit(func(c *Config) *int64 { return &c.Query.Abandoned }),
		row("query.timeout", "query-timeout", "TIME", "1m0s", "how long a statement may take, reading its answer included").
			duration(func(c *Config) *time.Duration { return &c.Query.Timeout }),
		row("query.memory", "query-memory", "SIZE", "256MiB", "memory of one statement, at least 16MiB: groups and what it keeps of the tail; half of it for events in hand; four times as much for all that DuckDB does, and 1GiB for values that expressions make (with GNU's C library)").
			size(func(c *Config) *int64 { return &c.Query.Memory }),
		row("query.disk", "query-disk", "SIZE", "4GiB", "temporary files of sorts and joins that do not fit in memory, of all statements together").
			size(func(c *Config) *int64 { return &c.Query.Disk }),
		row("query.sql_bytes", "query-sql-bytes", "SIZE", "1MiB", "longest text of a statement").
			size(func(c *Config) *int64 { return &c.Query.SQLBytes }),
		row("query.max_rows", "query-max-rows", "N", "10000000", "rows of an answer, which is streamed; behind so many it ends with an error; 0: any number").
			limit(func(c *Config) *int64 { return &c.Query.MaxRows }),
		row("query.slow", "query-slow", "TIME", "1s", "statements that take longer are logged").
			duration(func(c *Config) *time.Duration { return &c.Query.Slow }),
		row("query.history", "query-history", "N", "1000", "statements that have ended and are listed").
			count(func(c *Config) *int { return &c.Query.History }),
		row("query.edge_ranges", "query-edge-ranges", "N", "64", "ranges of time of a statement that begin or end within a cell's time, and are each read of events; of one with more all events are read").
			count(func(c *Config) *int { return &c.Query.EdgeRanges }),
	}, querySourceSettings()...)
}

// querySourceSettings are those of what statements read, and of what is kept of it.
func querySourceSettings() []Setting {
	return []Setting{
		row("query.raw", "query-raw", "POLICY", "allow", "what becomes of a statement of which no cube has all columns, so that events are read: allow, warn or refuse; the request may say otherwise").
			text(func(c *Config) *string { return &c.Query.Raw }).oneOf("allow", "warn", "refuse"),
		row("query.raw_bytes", "query-raw-bytes", "SIZE", "16GiB", "staged files that such a statement may read; it is refused before it reads more").
			size(func(c *Config) *int64 { return &c.Query.RawBytes }),
		row("query.raw_concurrent", "query-raw-concurrent", "N", "0", "such statements that run at once, beside those of query.concurrent; 0: one, of more than two cores two").
			limit(func(c *Config) *int64 { return &c.Query.RawConcurrent }),
		row("query.raw_queue_wait", "query-raw-queue-wait", "TIME", "10s", "how long such a statement waits for its turn, then it is refused").
			duration(func(c *Config) *time.Duration { return &c.Query.RawQueueWait }),
		row("query.lookup_bytes", "query-lookup-bytes", "SIZE", "256MiB", "columns of lookup tables that are kept in memory, and the most that those of one take in a statement").
			size(func(c *Config) *int64 { return &c.Query.LookupBytes }),
		row("query.id_bytes", "query-id-bytes", "SIZE", "256MiB", "distinct strings of a column in events that no segment holds, for exact distinct counts; beyond it such a statement fails").
			size(func(c *Config) *int64 { return &c.Query.IDBytes }),
		row("query.program_bytes", "query-program-bytes", "SIZE", "64MiB", "what is kept compiled of statements, about").
			size(func(c *Config) *int64 { return &c.Query.ProgramBytes }),
		row("query.result_cache_bytes", "result-cache-bytes", "SIZE", "64MiB", "answers that are kept while what they were made of stays the same; 0: none").
			cache(func(c *Config) *int64 { return &c.Query.ResultCacheBytes }),
		row("query.column_cache_bytes", "column-cache-bytes", "SIZE", "512MiB", "decoded columns of cuboids that are kept in memory; 0: none").
			cache(func(c *Config) *int64 { return &c.Query.ColumnCacheBytes }),
		row("query.cell_cache_bytes", "cell-cache-bytes", "SIZE", "64MiB", "grouped events of staged files and of the tail that are kept in memory; 0: none").
			cache(func(c *Config) *int64 { return &c.Query.CellCacheBytes }),
		row("query.folded_cache_bytes", "folded-cache-bytes", "SIZE", "64MiB", "groups of segments and of staged files, by what asks for them, that are kept in memory: a statement that is asked again folds the newest events only; 0: none").
			cache(func(c *Config) *int64 { return &c.Query.FoldedCacheBytes }),
		row("query.file_cache_bytes", "file-cache-bytes", "SIZE", "10GiB", "parts of a remote store's files that queries keep on local disk; 0: none").
			cache(func(c *Config) *int64 { return &c.Query.FileCacheBytes }),
		row("query.file_cache", "file-cache", "DIR", "", "folder of these parts, which nothing else may use (default: query-files in --data)").
			text(func(c *Config) *string { return &c.Query.FileCache }),
	}
}

// cache reads a size, or 0.
func (s Setting) cache(field func(*Config) *int64) Setting {
	return s.parsed(
		func(c *Config, v string) error {
			if v == "0" {
				*field(c) = 0
				return nil
			}
			n, err := ParseSize(v)
			if err != nil {
				return fmt.Errorf("%w; 0 for none", err)
			}
			*field(c) = n
			return nil
		},
		func(c *Config) string { return FormatSize(*field(c)) })
}

// limit reads a number, or 0.
func (s Setting) limit(field func(*Config) *int64) Setting {
	return s.parsed(
		func(c *Config, v string) error {
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil || n < 0 {
				return fmt.Errorf("%q is no number of at least 0", v)
			}
			*field(c) = n
			return nil
		},
		func(c *Config) string { return strconv.FormatInt(*field(c), 10) })
}
