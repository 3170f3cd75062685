package verify

import (
	"errors"
	"runtime"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemarkdb/tidemark/builder/cuboid/hbase"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Options say what to prove. The zero value of a field means its default.
type Options struct {
	Catalog      *catalog.Catalog // required
	Store        blob.Store       // required
	HBase        *hbase.Store     // nil: cuboids in tables are a problem
	Kafka        []kgo.Opt        // brokers and credentials; required with AgainstKafka
	AgainstKafka bool             // also read the topics again
	Project      string           // default: all; with a Table: "default"
	Table        string           // default: all
	Workers      int              // files or partitions read at once; default: the number of cores
	HoldBytes    int64            // files up to this size are read once and held meanwhile, larger ones are read twice; default 32 MiB
	Dir          string           // of temporary files, where strings are many that are counted exactly; default: the system's
	LookupMemory int64            // bytes of one segment's strings of one column, which are looked up in a dictionary; default 64 MiB, at least 1 MiB
	LookupDisk   int64            // bytes of temporary files of such a look-up; default 64 GiB
	Retired      int              // retired segments whose files are looked at, the oldest first; default 10,000, as many as clean-up takes in a pass
	SecondReader int              // Parquet files of a table, and of a cube, that another implementation reads too; default 2, below 0: none

	Progress      func(Progress) // called by one goroutine; may be nil
	ProgressEvery time.Duration  // default 500ms
}

// Progress is how far a proof has come.
type Progress struct {
	Table       string        // project/table at work
	Kafka       bool          // the files are done, the topic is being read
	Files       int64         // staged and supplement files that are done
	TotalFiles  int64         // of all tables
	Events      int64         // read from files
	Bytes       int64         // read of files
	TotalBytes  int64         // of all tables
	Records     int64         // read from Kafka
	Cuboids     int64         // of segments, that are done
	BytesPerSec float64       // of files
	ETA         time.Duration // of the files; 0: unknown or done
}

func (o Options) withDefaults() Options {
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.HoldBytes == 0 {
		o.HoldBytes = 32 << 20
	}
	if o.Retired == 0 {
		o.Retired = 10_000
	}
	if o.SecondReader == 0 {
		o.SecondReader = 2
	}
	if o.ProgressEvery == 0 {
		o.ProgressEvery = 500 * time.Millisecond
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.Project == "" && o.Table != "" {
		o.Project = "default"
	}
	return o
}

func (o Options) validate() error {
	var errs []error
	if o.Catalog == nil {
		errs = append(errs, errors.New("verify: no catalog given"))
	}
	if o.Store == nil {
		errs = append(errs, errors.New("verify: no store given"))
	}
	if o.AgainstKafka && len(o.Kafka) == 0 {
		errs = append(errs, errors.New("verify: no brokers given to compare with: give --brokers, or leave --against-kafka out"))
	}
	if o.Workers < 0 || o.HoldBytes < 0 || o.ProgressEvery < 0 || o.LookupMemory < 0 || o.LookupDisk < 0 || o.Retired < 0 {
		errs = append(errs, errors.New("verify: a limit is below 0"))
	}
	return errors.Join(errs...)
}
