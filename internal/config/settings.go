package config

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Setting is one row of the table of settings. Its key is the path in the file; the variable is derived from the key
// by Env, the flag is given, since flags should be short.
type Setting struct {
	Key     string
	Flag    string // "": none, since everybody on the machine sees the flags of a process
	Default string
	Usage   string // one line; what the value is, its unit
	Value   string // what stands for the value in help: DIR, LIST, SIZE ...; "" = a switch
	Secret  bool   // printed as ***, the password of a URL only

	set func(*Config, string) error
	get func(*Config) string
}

// Env returns the name of the variable of s: kafka.sasl.user is TIDEMARK_KAFKA_SASL_USER.
func (s *Setting) Env() string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(s.Key, ".", "_"))
}

// EnvPrefix starts the name of every variable that is read.
const EnvPrefix = "TIDEMARK_"

// Settings returns the table of settings in the order in which they are printed.
func Settings() []Setting {
	all := append(generalSettings(), accessSettings()...)
	all = append(all, kafkaSettings()...)
	all = append(all, ingestSettings()...)
	all = append(all, buildSettings()...)
	all = append(all, querySettings()...)
	return append(all, hbaseSettings()...)
}

func generalSettings() []Setting {
	return []Setting{
		row("data", "data", "DIR", "tidemark-data", "folder of the lock, the catalog, the spool and the local store").
			text(func(c *Config) *string { return &c.Data }),
		row("store", "store", "URL", "", "where files go: a folder or s3://bucket/prefix (default: the folder store in --data)").
			text(func(c *Config) *string { return &c.Store }),
		row("catalog", "catalog", "DSN", "", "postgres://user:password@host/database (default: SQLite in --data)").
			text(func(c *Config) *string { return &c.Catalog }).secret(),
		row("roles", "roles", "LIST", strings.Join(Roles(), ","), "what serve does in this process: ingest reads tables, schedule decides what is built, merged and cleaned up, build does it, query answers statements; fewer than all need others on the same --catalog and --store for the rest").
			parsed(setRoles, func(c *Config) string { return strings.Join(c.Roles, ",") }),
		row("http", "http", "HOST:PORT", "127.0.0.1:7070", "address of the HTTP interface; port 0 takes any free one").
			text(func(c *Config) *string { return &c.HTTP }),
		row("advertise", "advertise", "HOST:PORT", "", "where other processes and people reach the HTTP interface (default: that of --http, with the machine's name where it listens on all addresses)").
			parsed(setAdvertise, func(c *Config) string { return c.Advertise }),
		row("pg.listen", "pg", "HOST:PORT", "127.0.0.1:7432", "address of the PostgreSQL protocol; port 0 takes any free one, as it does by itself where --http has port 0; off: none").
			text(func(c *Config) *string { return &c.PG.Listen }),
		row("pg.connections", "pg-connections", "N", "100", "sessions of the PostgreSQL protocol at once; more are refused").
			count(func(c *Config) *int { return &c.PG.Connections }),
		row("pprof", "pprof", "HOST:PORT", "", "address of the runtime's profiles, on a port of their own (default: none)").
			text(func(c *Config) *string { return &c.Pprof }),
		row("server", "server", "URL", "", "the running tidemark that commands talk to (default: the one that holds --data)").
			text(func(c *Config) *string { return &c.Server }),
		row("log.level", "log-level", "LEVEL", "info", "debug, info, warn or error").
			parsed(setLevel, func(c *Config) string { return strings.ToLower(c.Log.Level.String()) }),
		row("log.format", "log-format", "FORMAT", "text", "text or json").
			text(func(c *Config) *string { return &c.Log.Format }).oneOf("text", "json"),
		row("shutdown_timeout", "shutdown-timeout", "TIME", "30s", "how long a clean stop may take before the process ends anyway").
			duration(func(c *Config) *time.Duration { return &c.ShutdownTimeout }),
	}
}

func accessSettings() []Setting {
	return []Setting{
		row("auth.file", "auth-file", "FILE", "", "file of users, written by tidemark user; with it every port asks who is there (default: none, and other addresses than loopback are refused)").
			text(func(c *Config) *string { return &c.Auth.File }),
		row("tls.cert", "tls-cert", "FILE", "", "PEM file of the certificate of both ports, with those that signed it (default: no TLS)").
			text(func(c *Config) *string { return &c.Auth.Cert }),
		row("tls.key", "tls-key", "FILE", "", "PEM file of its key").
			text(func(c *Config) *string { return &c.Auth.Key }),
		row("user", "user", "NAME", "", "who a command is to the tidemark of --server; needs the password").
			text(func(c *Config) *string { return &c.Client.User }),
		row("password", "", "TEXT", "", "password of --user").
			text(func(c *Config) *string { return &c.Client.Password }).secret(),
		row("token", "", "TEXT", "", "bearer token, instead of --user and the password").
			text(func(c *Config) *string { return &c.Client.Token }).secret(),
		row("ca", "ca", "FILE", "", "PEM file of whoever signed the certificate of --server (default: the system's)").
			text(func(c *Config) *string { return &c.Client.CA }),
	}
}

func kafkaSettings() []Setting {
	return []Setting{
		row("kafka.brokers", "brokers", "HOST:PORT,...", "127.0.0.1:9092", "Kafka or Redpanda brokers to start from").
			list(func(c *Config) *[]string { return &c.Kafka.Brokers }),
		row("kafka.tls.enabled", "kafka-tls", "", "false", "speak TLS to the brokers (on by itself when another tls setting is given)").
			toggle(func(c *Config) *bool { return &c.Kafka.TLS.Enabled }),
		row("kafka.tls.ca", "kafka-tls-ca", "FILE", "", "PEM file of the authority that signed the brokers' certificates (default: the system's)").
			text(func(c *Config) *string { return &c.Kafka.TLS.CA }),
		row("kafka.tls.cert", "kafka-tls-cert", "FILE", "", "PEM file of the client's certificate").
			text(func(c *Config) *string { return &c.Kafka.TLS.Cert }),
		row("kafka.tls.key", "kafka-tls-key", "FILE", "", "PEM file of the client's key").
			text(func(c *Config) *string { return &c.Kafka.TLS.Key }),
		row("kafka.tls.server_name", "kafka-tls-server-name", "NAME", "", "name expected in the brokers' certificates").
			text(func(c *Config) *string { return &c.Kafka.TLS.ServerName }),
		row("kafka.tls.insecure_skip_verify", "kafka-tls-insecure", "", "false", "accept any certificate: for tests only").
			toggle(func(c *Config) *bool { return &c.Kafka.TLS.InsecureSkipVerify }),
		row("kafka.sasl.mechanism", "kafka-sasl", "MECHANISM", "", "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512").
			text(func(c *Config) *string { return &c.Kafka.SASL.Mechanism }).oneOf("", Plain, ScramSHA256, ScramSHA512),
		row("kafka.sasl.user", "kafka-user", "NAME", "", "SASL user").
			text(func(c *Config) *string { return &c.Kafka.SASL.User }),
		row("kafka.sasl.password", "kafka-password", "TEXT", "", "SASL password; a file or a variable keeps it out of the process list").
			text(func(c *Config) *string { return &c.Kafka.SASL.Password }).secret(),
		row("kafka.sasl.password_file", "kafka-password-file", "FILE", "", "file that holds the SASL password").
			text(func(c *Config) *string { return &c.Kafka.SASL.PasswordFile }),
		row("kafka.client_id", "kafka-client-id", "NAME", "tidemark", "name under which the brokers log this process").
			text(func(c *Config) *string { return &c.Kafka.ClientID }),
		row("kafka.dial_timeout", "kafka-dial-timeout", "TIME", "5s", "time-out of connecting to a broker").
			duration(func(c *Config) *time.Duration { return &c.Kafka.DialTimeout }),
		row("kafka.request_timeout", "kafka-request-timeout", "TIME", "10s", "how much longer than its own limit a broker's answer may take").
			duration(func(c *Config) *time.Duration { return &c.Kafka.RequestTimeout }),
	}
}

func ingestSettings() []Setting {
	return []Setting{
		row("ingest.memory", "memory", "SIZE", "192MiB", "decoded events held in memory; over it files are rolled, then fetching pauses").
			size(func(c *Config) *int64 { return &c.Ingest.Memory }),
		row("ingest.spool", "spool", "SIZE", "2GiB", "files on local disk that wait for their upload; at it fetching pauses").
			size(func(c *Config) *int64 { return &c.Ingest.Spool }),
		row("ingest.max_uncommitted_ranges", "max-uncommitted-ranges", "N", "2", "ranges of a partition that may be rolled but not committed").
			count(func(c *Config) *int { return &c.Ingest.MaxUncommittedRanges }),
		row("ingest.max_uploads", "max-uploads", "N", "4", "files written to the store at once").
			count(func(c *Config) *int { return &c.Ingest.MaxUploads }),
		row("ingest.group", "group", "NAME", "", "consumer group that hands out the partitions (default: one per catalog where --catalog is given, else this process reads them all)").
			text(func(c *Config) *string { return &c.Ingest.Group }),
		row("ingest.partitions", "partitions", "LIST", "", "read these partitions only, as in 0,2,5 (default: all)").
			parsed(setPartitions, func(c *Config) string { return joinPartitions(c.Ingest.Partitions) }),
		row("ingest.fail_on_missing_topic", "fail-on-missing-topic", "", "false", "end with an error when a topic does not exist (default: wait for it)").
			toggle(func(c *Config) *bool { return &c.Ingest.FailOnMissingTopic }),
		row("tail.pin_timeout", "tail-pin-timeout", "TIME", "1m0s", "how long one reader may hold events in memory; then it loses them and starts again").
			duration(func(c *Config) *time.Duration { return &c.Ingest.PinTimeout }),
	}
}

func buildSettings() []Setting {
	return []Setting{
		row("build.memory", "build-memory", "SIZE", "512MiB", "events and cells that builds hold in memory, all together; over it they go to temporary files").
			size(func(c *Config) *int64 { return &c.Build.Memory }),
		row("build.disk", "build-disk", "SIZE", "64GiB", "temporary files of builds, all together; at it a build fails").
			size(func(c *Config) *int64 { return &c.Build.Disk }),
		row("build.dictionary_memory", "dictionary-memory", "SIZE", "64MiB", "strings of one column that a build looks up in its dictionary, at least 1MiB; over it they go to temporary files").
			size(func(c *Config) *int64 { return &c.Build.DictionaryMemory }),
		row("build.dictionary_disk", "dictionary-disk", "SIZE", "64GiB", "temporary files of one such look-up; at it the build fails").
			size(func(c *Config) *int64 { return &c.Build.DictionaryDisk }),
		row("build.dictionary_tries", "dictionary-tries", "N", "100", "how often one build may lose against others that add to a dictionary, before it fails and is tried again").
			count(func(c *Config) *int { return &c.Build.DictionaryTries }),
	}
}

func hbaseSettings() []Setting {
	return []Setting{
		row("hbase.quorum", "hbase-quorum", "LIST", "", "host:port of the ZooKeeper servers of the HBase that holds the cuboids of cubes with store: hbase (default: none)").
			text(func(c *Config) *string { return &c.HBase.Quorum }),
		row("hbase.root", "hbase-root", "PATH", "/hbase", "node of ZooKeeper below which HBase is found").
			text(func(c *Config) *string { return &c.HBase.Root }),
		row("hbase.prefix", "hbase-prefix", "NAME", "tidemark", "what the names of tables begin with; only tables with it are ever looked at").
			text(func(c *Config) *string { return &c.HBase.Prefix }),
		row("hbase.timeout", "hbase-timeout", "TIME", "20s", "how long a call of HBase, a batch of puts, or the wait for the next row may take").
			duration(func(c *Config) *time.Duration { return &c.HBase.Timeout }),
		row("hbase.retry_for", "hbase-retry-for", "TIME", "2m0s", "how long a call of HBase is tried again; then the build fails, and is tried again as a whole").
			duration(func(c *Config) *time.Duration { return &c.HBase.RetryFor }),
		row("hbase.max_regions", "hbase-max-regions", "N", "2000", "regions of all tables together; beyond it no table is made, and builds fail").
			count(func(c *Config) *int { return &c.HBase.MaxRegions }),
	}
}

func setLevel(c *Config, v string) error {
	if err := c.Log.Level.UnmarshalText([]byte(v)); err != nil {
		return fmt.Errorf("%q is no level: want debug, info, warn or error", v)
	}
	return nil
}

func setAdvertise(c *Config, v string) error {
	host, port, err := net.SplitHostPort(v)
	if v != "" && (err != nil || host == "" || port == "" || port == "0") {
		return fmt.Errorf("%q is no address to be reached at: want host:port, as in node-1.example.org:7070", v)
	}
	c.Advertise = v
	return nil
}

func setPartitions(c *Config, v string) error {
	c.Ingest.Partitions = nil
	for _, f := range splitList(v) {
		n, err := strconv.ParseInt(f, 10, 32)
		if err != nil || n < 0 {
			return fmt.Errorf("%q is no partition: want numbers like 0,2,5", f)
		}
		c.Ingest.Partitions = append(c.Ingest.Partitions, int32(n))
	}
	return nil
}

func joinPartitions(ps []int32) string {
	out := make([]string, len(ps))
	for i, p := range ps {
		out[i] = strconv.Itoa(int(p))
	}
	return strings.Join(out, ",")
}
