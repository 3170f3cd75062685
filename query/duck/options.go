package duck

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
)

// Options configure a DB. The zero value of a field means its default.
type Options struct {
	MemoryBytes  int64        // default 1 GiB, at least 64 MiB; of groups, sorts and joins, not of text that an expression makes
	HeapBytes    int64        // default MemoryBytes and 1 GiB; of blocks of 1 MiB and more that DuckDB takes, of that text too; with GNU's C library
	Threads      int          // default all cores
	TempDir      string       // default: none, nothing is spilled and a query that needs more memory fails
	TempBytes    int64        // default 4 GiB; of spilled data, all statements together
	MaxConns     int          // default 32; statements and parses that run at once, others wait
	MaxTextBytes int          // default 4 MiB; of a statement
	Compiled     int          // default 512; statements made of trees that are kept
	Logger       *slog.Logger // default: discard
}

const minMemoryBytes = 64 << 20

func (o Options) withDefaults() Options {
	if o.MemoryBytes == 0 {
		o.MemoryBytes = 1 << 30
	}
	if o.HeapBytes == 0 {
		o.HeapBytes = o.MemoryBytes + 1<<30
	}
	if o.Threads == 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	if o.TempBytes == 0 {
		o.TempBytes = 4 << 30
	}
	if o.MaxConns == 0 {
		o.MaxConns = 32
	}
	if o.MaxTextBytes == 0 {
		o.MaxTextBytes = 4 << 20
	}
	if o.Compiled == 0 {
		o.Compiled = 512
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) validate() error {
	var errs []error
	if o.MemoryBytes < minMemoryBytes {
		errs = append(errs, fmt.Errorf("memory of %d bytes is below %d", o.MemoryBytes, minMemoryBytes))
	}
	if o.HeapBytes < o.MemoryBytes {
		errs = append(errs, fmt.Errorf("%d bytes in large blocks: not below the memory of %d", o.HeapBytes, o.MemoryBytes))
	}
	if o.Threads < 1 {
		errs = append(errs, fmt.Errorf("%d threads: at least 1", o.Threads))
	}
	if o.TempBytes < 0 {
		errs = append(errs, fmt.Errorf("temporary space of %d bytes: not below 0", o.TempBytes))
	}
	if strings.ContainsRune(o.TempDir, 0) {
		errs = append(errs, fmt.Errorf("temporary folder %q: a zero byte in its name", o.TempDir))
	}
	if o.MaxConns < 1 {
		errs = append(errs, fmt.Errorf("%d connections: at least 1", o.MaxConns))
	}
	if o.MaxTextBytes < 1 {
		errs = append(errs, fmt.Errorf("statements of %d bytes: at least 1", o.MaxTextBytes))
	}
	if o.Compiled < 1 {
		errs = append(errs, fmt.Errorf("%d compiled statements: at least 1", o.Compiled))
	}
	return errors.Join(errs...)
}

// settings are those that every statement meets, in the order in which they are set. After the last none can be changed
// (D3). What matters to answers is said, also where it is the default.
func (o Options) settings() [][2]string {
	return [][2]string{
		{"threads", fmt.Sprint(o.Threads)},
		{"memory_limit", fmt.Sprintf("%dB", o.MemoryBytes)},
		{"temp_directory", o.TempDir},
		{"max_temp_directory_size", fmt.Sprintf("%dB", o.TempBytes)},
		{"TimeZone", "UTC"},
		{"Calendar", "gregorian"},
		{"integer_division", "false"},
		{"default_order", "ASCENDING"},
		{"default_null_order", "NULLS_LAST"},
		{"preserve_insertion_order", "true"},
		{"errors_as_json", "true"},
		{"autoinstall_known_extensions", "false"},
		{"autoload_known_extensions", "false"},
		{"allow_community_extensions", "false"},
		{"enable_external_access", "false"},
		{"lock_configuration", "true"},
	}
}
