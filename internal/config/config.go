package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"time"
)

// minIngestMemory is as of ingest.Options.
const minIngestMemory = 8 << 20

// Config holds the settings in force.
type Config struct {
	Data            string   // folder of the lock, the SQLite catalog, the spool and the local store
	Store           string   // "" = the folder "store" in Data; else a folder or s3://bucket/prefix
	Roles           []string // of a process that serves, in the order of Roles
	Catalog         string   // "" = the file "catalog.db" in Data; else postgres://...
	HTTP            string   // host:port of the HTTP interface; port 0 = any
	Advertise       string   // host:port where others reach it; "" = as it listens
	Pprof           string   // host:port of the runtime's profiles; "" = none
	Server          string   // address of a running server that commands talk to
	Log             Log
	Kafka           Kafka
	Ingest          Ingest
	PG              PG
	Build           Build
	Query           Query
	HBase           HBase
	Auth            Auth
	Client          Client
	ShutdownTimeout time.Duration // how long a clean stop may take

	sources map[string]string // key of a setting -> where its value came from
}

// PG says where clients of PostgreSQL are answered.
type PG struct {
	Listen      string // host:port; port 0 = any; "off" = nowhere
	Connections int
}

// Auth says who may ask this process, and what it shows to prove itself.
type Auth struct {
	File      string // of users; "" = whoever reaches a port
	Cert, Key string // PEM files; "" = none, and no TLS
}

// Client says who a command is to the tidemark that it asks.
type Client struct {
	User, Password string
	Token          string // instead of both
	CA             string // PEM file of whoever signed that one's certificate; "" = the system's
}

// Log says what is logged and how.
type Log struct {
	Level  slog.Level
	Format string // "text" or "json"
}

// Ingest holds the limits of reading.
type Ingest struct {
	Memory               int64 // bytes of decoded events in memory
	Spool                int64 // bytes of files on local disk that wait for their upload
	MaxUncommittedRanges int
	MaxUploads           int
	Group                string  // consumer group; "" = this process reads every partition
	Partitions           []int32 // pinned partitions; empty = all
	FailOnMissingTopic   bool
	PinTimeout           time.Duration // how long one reader may hold the tail
}

// Build holds the limits of builds in this process.
type Build struct {
	Memory int64 // bytes of events and cells in memory
	Disk   int64 // bytes of temporary files

	DictionaryMemory int64 // bytes of one column's strings in memory, of one build
	DictionaryDisk   int64 // bytes of their temporary files
	DictionaryTries  int
}

// HBase says where tables of cuboids are, and how long to wait for them.
type HBase struct {
	Quorum     string // "" = none
	Root       string
	Prefix     string
	Timeout    time.Duration
	RetryFor   time.Duration
	MaxRegions int
}

// CatalogDSN returns what the catalog is opened with.
func (c *Config) CatalogDSN() string {
	if c.Catalog == "" {
		return filepath.Join(c.Data, "catalog.db")
	}
	return c.Catalog
}

// StoreURL returns what the store is opened with.
func (c *Config) StoreURL() string {
	if c.Store == "" {
		return filepath.Join(c.Data, "store")
	}
	return c.Store
}

// Given reports whether a setting has another source than its default.
func (c *Config) Given(key string) bool { return c.sources[key] != "" }

// Source names the flag, the variable or the line of the file that a setting comes from; "" for its default.
func (c *Config) Source(key string) string { return c.sources[key] }

// SpoolDir returns the folder of files that wait for their upload.
func (c *Config) SpoolDir() string { return filepath.Join(c.Data, "spool") }

// BuildDir returns the folder of temporary files of builds.
func (c *Config) BuildDir() string { return filepath.Join(c.Data, "builds") }

// validate reports what no single setting can know: contradictions and missing halves.
func (c *Config) validate() error {
	var errs []error
	if c.Data == "" {
		errs = append(errs, errors.New("data is empty: name a folder with --data"))
	}
	if c.Ingest.Group != "" && len(c.Ingest.Partitions) > 0 {
		errs = append(errs, errors.New("ingest.group and ingest.partitions exclude each other: a group hands out the partitions itself"))
	}
	if (c.Auth.Cert == "") != (c.Auth.Key == "") {
		errs = append(errs, errors.New("tls.cert and tls.key belong together: give both or none"))
	}
	if c.Client.Token != "" && (c.Client.User != "" || c.Client.Password != "") {
		errs = append(errs, errors.New("token excludes user and password: give one or the other"))
	}
	if on := c.Kafka.TLS; c.Given("kafka.tls.enabled") && !on.Enabled && on.on() {
		errs = append(errs, errors.New("kafka.tls.enabled is false, and other settings of kafka.tls are given: they switch TLS on, so leave out one or the others"))
	}
	if c.Ingest.Memory < minIngestMemory {
		errs = append(errs, fmt.Errorf("ingest.memory is %s: want at least %s", FormatSize(c.Ingest.Memory), FormatSize(minIngestMemory)))
	}
	errs = append(errs, c.validateRoles(), c.addresses(), c.Kafka.validate(), c.Query.validate())
	return errors.Join(errs...)
}

// addresses wants those of the ports to be host:port, and no two the same. A wrong one must not be found when data folders are made.
func (c *Config) addresses() error {
	var errs []error
	taken := map[string]string{}
	for _, a := range []struct{ key, value string }{{"http", c.HTTP}, {"pg.listen", c.PG.Listen}, {"pprof", c.Pprof}} {
		if a.key == "pg.listen" && a.value == "off" || a.key == "pprof" && a.value == "" {
			continue
		}
		_, port, err := net.SplitHostPort(a.value)
		if _, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil {
			errs = append(errs, fmt.Errorf("%s: %q is no host:port, as in 127.0.0.1:7070", a.key, a.value))
			continue
		}
		if other, twice := taken[a.value]; twice && port != "0" {
			errs = append(errs, fmt.Errorf("%s and %s are both %s: give each a port of its own", other, a.key, a.value))
		}
		taken[a.value] = a.key
	}
	return errors.Join(errs...)
}

// A Complaint is one thing that is wrong with a setting.
type Complaint struct {
	Where string // "--brokers", "TIDEMARK_BROKERS" or "tidemark.yaml:3"
	What  string
}

func (c *Complaint) Error() string { return c.Where + ": " + c.What }

func complain(where, format string, args ...any) error {
	return &Complaint{Where: where, What: fmt.Sprintf(format, args...)}
}
