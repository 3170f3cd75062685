package filecache

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
)

// Options configure a Cache. The zero value of a field means its default.
type Options struct {
	Dir        string // which nothing else uses; it is made
	Store      string // names the store, so that blocks of another one under the same keys are not taken for its own
	Bytes      int64  // on disk; default 10 GiB, at least a block
	BlockBytes int64  // default 1 MiB

	Logger   *slog.Logger          // default: discard
	Registry prometheus.Registerer // default: one that nobody reads
}

func (o Options) withDefaults() Options {
	if o.Bytes == 0 {
		o.Bytes = 10 << 30
	}
	if o.BlockBytes == 0 {
		o.BlockBytes = 1 << 20
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
	var errs []error
	if o.Dir == "" {
		errs = append(errs, errors.New("a folder is needed"))
	}
	if o.BlockBytes < 1 || o.Bytes < o.BlockBytes+trailerBytes {
		errs = append(errs, fmt.Errorf("%d bytes in blocks of %d: want at least one block and %d bytes", o.Bytes, o.BlockBytes, trailerBytes))
	}
	return errors.Join(errs...)
}
