package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tidemark.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadPrefersFlagThenVariableThenFile(t *testing.T) {
	file := write(t, `
data: /from/file
kafka:
  brokers: [a:1, b:2]
  dial_timeout: 3s
ingest:
  memory: 64MiB
  partitions: 0,2
`)
	c, err := Load(Input{
		File:  file,
		Env:   []string{"TIDEMARK_DATA=/from/env", "TIDEMARK_KAFKA_DIAL_TIMEOUT=4s", "HOME=/x", "TIDEMARK_HTTP=", "TIDEMARK_UNKNOWN=", "TIDEMARK_TEST_KAFKA=1", "TIDEMARK_PYTHON=py"},
		Flags: map[string]string{"data": "/from/flag"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Data != "/from/flag" || c.Kafka.DialTimeout != 4*time.Second || c.Ingest.Memory != 64<<20 {
		t.Errorf("got data %s, dial %s, memory %d; want the flag, then the variable, then the file",
			c.Data, c.Kafka.DialTimeout, c.Ingest.Memory)
	}
	if diff := cmp.Diff([]string{"a:1", "b:2"}, c.Kafka.Brokers); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int32{0, 2}, c.Ingest.Partitions); diff != "" {
		t.Error(diff)
	}
	if c.HTTP != "127.0.0.1:7070" {
		t.Errorf("an empty variable counts: http is %q", c.HTTP)
	}
	if c.CatalogDSN() != "/from/flag/catalog.db" || c.StoreURL() != "/from/flag/store" || c.ShutdownTimeout != 30*time.Second {
		t.Errorf("defaults: catalog %s, store %s, shutdown %s", c.CatalogDSN(), c.StoreURL(), c.ShutdownTimeout)
	}
}

func TestLoadFindsTheFileByVariable(t *testing.T) {
	c, err := Load(Input{Env: []string{"TIDEMARK_CONFIG=" + write(t, "http: 127.0.0.1:9\n")}})
	if err != nil || c.HTTP != "127.0.0.1:9" {
		t.Fatalf("got %+v, %v", c, err)
	}
}

func TestLoadReportsEveryComplaint(t *testing.T) {
	file := write(t, `data: x
kafka:
  broker: a:1
  tls: yes
ingest:
  memory: lots
  max_uploads: 0
spool:
log: {level: loud, format: [json]}
`)
	_, err := Load(Input{
		File:  file,
		Env:   []string{"TIDEMARK_STOER=x"},
		Flags: map[string]string{"shutdown-timeout": "-1s", "partitions": "1,x"},
	})
	if err == nil {
		t.Fatal("accepted")
	}
	got := strings.ReplaceAll(err.Error(), file, "FILE")
	want := []string{
		`TIDEMARK_STOER: no such variable: did you mean TIDEMARK_STORE?`,
		`FILE:3: unknown key "kafka.broker": did you mean kafka.brokers?`,
		`FILE:4: want keys with values below "kafka.tls"`,
		`FILE:6: "lots" is no size above 0: want bytes or a number with a unit, as in 64MiB or 2GB`,
		`FILE:7: "0" is no number of at least 1`,
		`FILE:8: unknown key "spool"`,
		`FILE:9: "loud" is no level: want debug, info, warn or error`,
		`--shutdown-timeout: "-1s" is no time above 0: want a number with a unit, as in 500ms, 30s or 5m`,
		`--partitions: "x" is no partition: want numbers like 0,2,5`,
	}
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("missing complaint %q", w)
		}
	}
	if n := strings.Count(got, "\n") + 1; n != len(want) {
		t.Errorf("%d complaints, want %d:\n%s", n, len(want), got)
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		flags map[string]string
		file  string
		want  string
	}{
		"group and partitions": {flags: map[string]string{"group": "g", "partitions": "1"}, want: "exclude each other"},
		"broker without port":  {flags: map[string]string{"brokers": "kafka"}, want: `"kafka" is no host:port`},
		"no brokers":           {flags: map[string]string{"brokers": ","}, want: "kafka.brokers is empty"},
		"half a certificate":   {flags: map[string]string{"kafka-tls-cert": "c"}, want: "belong together"},
		"too short a time":     {flags: map[string]string{"kafka-request-timeout": "1ms"}, want: "between 100ms and 15m"},
		"unknown mechanism":    {flags: map[string]string{"kafka-sasl": "GSSAPI"}, want: `"GSSAPI" is not possible: want PLAIN or SCRAM-SHA-256 or SCRAM-SHA-512`},
		"user alone":           {flags: map[string]string{"kafka-user": "u"}, want: "no mechanism"},
		"no user":              {flags: map[string]string{"kafka-sasl": "plain", "kafka-password": "p"}, want: "kafka.sasl.user is missing"},
		"no password":          {flags: map[string]string{"kafka-sasl": "plain", "kafka-user": "u"}, want: "kafka.sasl.password is missing"},
		"not YAML":             {file: "a: [", want: "did not find expected"},
		"key twice":            {file: "data: a\ndata: b\n", want: `:2: "data" is given twice`},
		"TLS off and on":       {flags: map[string]string{"kafka-tls": "false", "kafka-tls-ca": "ca.pem"}, want: "they switch TLS on"},
		"an address of ours":   {file: "http: 7070\n", want: `http: "7070" is no host:port`},
		"a port by name":       {flags: map[string]string{"pg": "localhost:postgres"}, want: `pg.listen: "localhost:postgres" is no host:port`},
		"a port beyond all":    {flags: map[string]string{"pprof": "localhost:70000"}, want: `pprof: "localhost:70000" is no host:port`},
		"one address twice":    {flags: map[string]string{"http": "127.0.0.1:7070", "pg": "127.0.0.1:7070"}, want: "http and pg.listen are both 127.0.0.1:7070"},
		"a time without unit":  {file: "shutdown_timeout: 30\n", want: `:1: "30" is no time above 0: want a number with a unit`},
		"a size as a list":     {file: "ingest: {memory: [1, 2]}\n", want: `"1,2" is no size above 0`},
		"a number as a folder": {file: "data: {path: x}\n", want: `"data" wants a value or a list of values`},
		"a size of time":       {flags: map[string]string{"memory": "30s"}, want: `--memory: "30s" is no size`},
		"next to no memory":    {flags: map[string]string{"memory": "1B"}, want: "ingest.memory is 1: want at least 8MiB"},
		"half of our own":      {flags: map[string]string{"tls-cert": "c"}, want: "tls.cert and tls.key belong together"},
		"a list at the top":    {file: "- a\n", want: "want keys with values"},
	} {
		t.Run(name, func(t *testing.T) {
			in := Input{Flags: c.flags}
			if c.file != "" {
				in.File = write(t, c.file)
			}
			if _, err := Load(in); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestDumpHidesSecretsAndLoadsAgain(t *testing.T) {
	in := Input{Flags: map[string]string{
		"catalog": "postgres://me:topsecret@db/tidemark", "kafka-sasl": "scram-sha-256", "kafka-user": "u",
		"kafka-password": "topsecret", "data": "d: # x",
	}}
	c, err := Load(in)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := c.Dump(&out); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "topsecret") || c.Values()["kafka.sasl.password"] != "***" {
		t.Errorf("a secret is shown (C4):\n%s", out.String())
	}
	again, err := Load(Input{File: write(t, out.String())})
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if diff := cmp.Diff(c.Values(), again.Values()); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(out.String(), "mechanism: SCRAM-SHA-256") || !strings.Contains(out.String(), "# --kafka-sasl") {
		t.Errorf("source or value missing:\n%s", out.String())
	}
}

// C1: every setting can be given in all three ways, under names of its own; what proves who a command is has no flag.
func TestSettingsAreConsistent(t *testing.T) {
	seen := map[string]string{}
	for _, s := range Settings() {
		names := []string{s.Key, s.Env()}
		if s.Flag != "" || s.Key != "password" && s.Key != "token" {
			names = append(names, "--"+s.Flag)
		}
		for _, name := range names {
			if other, ok := seen[name]; ok {
				t.Errorf("%s and %s share the name %s", s.Key, other, name)
			}
			seen[name] = s.Key
		}
		if s.Default != "" {
			c := new(Config)
			if err := s.set(c, s.Default); err != nil {
				t.Errorf("default of %s: %v", s.Key, err)
			}
			if got := s.get(c); got != s.Default {
				t.Errorf("%s: default %q is read back as %q", s.Key, s.Default, got)
			}
		}
	}
}

func TestParseSize(t *testing.T) {
	for in, want := range map[string]int64{
		"1": 1, "1048576": 1 << 20, "64MiB": 64 << 20, "64 mib": 64 << 20, "1.5GiB": 3 << 29, "2kB": 2000, "5B": 5,
		"": -1, "-1": -1, "0": -1, "0.1B": -1, "NaN": -1, "Inf": -1, "1e300": -1, "MiB": -1, "1 parsec": -1,
	} {
		got, err := ParseSize(in)
		if want < 0 {
			if err == nil {
				t.Errorf("ParseSize(%q) = %d, want an error", in, got)
			}
			continue
		}
		if err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", in, got, err, want)
		}
		if back, err := ParseSize(FormatSize(want)); err != nil || back != want {
			t.Errorf("%d is printed as %s and read back as %d, %v", want, FormatSize(want), back, err)
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"brokers", "data", "http", "pg", "table", "verify", "max-events"}
	cases := map[string]string{
		"broker": "brokers", "borkers": "brokers", "tabel": "table", "DATA": "data", "verfy": "verify", "elephant": "", "": "",
		"nope": "", "x": "", "pq": "pg", "htp": "http", "dates": "", "cable": "table", "max-event": "max-events", "max-rows": "", "-": "",
	}
	for _, prefix := range []string{"", "--", "TIDEMARK_"} {
		known := make([]string, len(words))
		for i, w := range words {
			known[i] = prefix + w
		}
		for in, want := range cases {
			if want != "" {
				want = prefix + want
			}
			if got := Nearest(prefix+in, known); got != want {
				t.Errorf("Nearest(%q) = %q, want %q", prefix+in, got, want)
			}
		}
	}
	if got := Nearest("--broker", []string{"--brokers"}); got != "--brokers" {
		t.Errorf("one candidate alone: got %q", got)
	}
}

// C4: a password of PostgreSQL is hidden wherever its address has it.
func TestPasswordsOfAnAddressAreHidden(t *testing.T) {
	for _, dsn := range []string{
		"postgres://ann:topsecret@db/tidemark", "postgres://ann@db/tidemark?password=topsecret&sslmode=require",
		"postgres://ann@db/tidemark?sslpassword=topsecret", "postgres://db/tidemark?user=ann&password=topsecret", "user=ann password=topsecret",
	} {
		c, err := Load(Input{Flags: map[string]string{"catalog": dsn}})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Values()["catalog"]; strings.Contains(got, "topsecret") || got == "" {
			t.Errorf("%s: shown as %q", dsn, got)
		}
	}
}
