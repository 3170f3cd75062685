package pgwire

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// serverVersion is the PostgreSQL whose protocol and catalog are spoken.
const serverVersion = "15.0"

// reported are the settings whose values clients are told without asking.
var reported = []string{
	"server_version", "server_encoding", "client_encoding", "application_name", "is_superuser", "session_authorization", "DateStyle", "IntervalStyle",
	"TimeZone", "integer_datetimes", "standard_conforming_strings", "default_transaction_read_only", "in_hot_standby",
}

// setting is one of a session's.
type setting struct {
	value string // its default
	what  string // of ours, for SHOW ALL
	// take checks a value and returns how it is kept; nil: the setting cannot be set.
	take func(string) (string, error)
}

// known are all settings, by name in lower case. Those that mean nothing here are taken and shown, as drivers expect.
var known = map[string]setting{
	"tidemark.approximate": {"off", "exact functions may be answered by sketches", takeBool},
	"tidemark.raw":         {"", "what no cube answers is read from events: allow, warn (with a warning) or refuse; empty: as the server is set", takeOneOf("allow", "warn", "refuse", "")},
	"tidemark.as_of":       {"", "statements see an earlier moment: a time, a version of the catalog, or offsets as 0:1000,1:900; empty: the present", takeAsOf},
	"tidemark.notices":     {"incomplete", "notices of what an answer covers: off, incomplete (where something is missing) or always", takeOneOf("off", "incomplete", "always")},
	"statement_timeout":    {"0", "time that a statement may take, in milliseconds or with a unit; 0: the server's limit", takeTime},

	"application_name": {"", "", takeAny}, "search_path": {`"$user", public`, "", takeAny}, "extra_float_digits": {"1", "", takeNumber},
	"client_min_messages":                 {"notice", "the least that is told besides answers", takeOneOf("debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error")},
	"client_encoding":                     {"UTF8", "", takeSame("UTF8", "utf8", "utf-8", "unicode")},
	"datestyle":                           {"ISO, MDY", "", takeDateStyle},
	"intervalstyle":                       {"postgres", "", takeSame("postgres", "postgres")},
	"timezone":                            {"UTC", "", takeAny},
	"bytea_output":                        {"hex", "", takeSame("hex", "hex")},
	"standard_conforming_strings":         {"on", "", takeSame("on", "on", "true", "yes", "1")},
	"default_transaction_read_only":       {"on", "", takeAny},
	"transaction_read_only":               {"on", "", takeAny},
	"default_transaction_isolation":       {"read committed", "", takeAny},
	"transaction_isolation":               {"read committed", "", takeAny},
	"default_transaction_deferrable":      {"off", "", takeBool},
	"lock_timeout":                        {"0", "", takeTime},
	"idle_in_transaction_session_timeout": {"0", "", takeTime},
	"idle_session_timeout":                {"0", "", takeTime},
	"synchronous_commit":                  {"on", "", takeAny}, "row_security": {"on", "", takeBool}, "jit": {"off", "", takeBool}, "geqo": {"on", "", takeBool},
	"work_mem": {"4MB", "", takeAny}, "xmloption": {"content", "", takeAny}, "check_function_bodies": {"on", "", takeBool},
	"escape_string_warning": {"on", "", takeBool}, "plan_cache_mode": {"auto", "", takeAny}, "quote_all_identifiers": {"off", "", takeBool},
	"default_table_access_method": {"heap", "", takeAny}, "default_tablespace": {"", "", takeAny}, "max_parallel_workers_per_gather": {"2", "", takeNumber},
	"cursor_tuple_fraction": {"0.1", "", takeAny}, "role": {"none", "", takeAny}, "enable_seqscan": {"on", "", takeBool}, "enable_nestloop": {"on", "", takeBool},
	"enable_hashjoin": {"on", "", takeBool}, "enable_mergejoin": {"on", "", takeBool}, "constraint_exclusion": {"partition", "", takeAny}, "log_statement": {"none", "", takeAny},

	"server_version": {value: serverVersion}, "server_version_num": {value: "150000"}, "server_encoding": {value: "UTF8"}, "integer_datetimes": {value: "on"},
	"is_superuser": {value: "off"}, "session_authorization": {value: ""}, "in_hot_standby": {value: "off"}, "max_identifier_length": {value: "63"},
	"lc_collate": {value: "C"}, "lc_ctype": {value: "C"}, "max_index_keys": {value: "32"}, "block_size": {value: "8192"}, "wal_level": {value: "replica"},
	"max_connections": {value: "100"}, "port": {value: "5432"}, "ssl": {value: "off"}, "data_checksums": {value: "on"}, "password_encryption": {value: "scram-sha-256"},
}

func takeAny(v string) (string, error) { return v, nil }

func takeBool(v string) (string, error) {
	switch strings.ToLower(v) {
	case "on", "true", "t", "yes", "y", "1":
		return "on", nil
	case "off", "false", "f", "no", "n", "0":
		return "off", nil
	}
	return "", fmt.Errorf("want on or off")
}

func takeOneOf(values ...string) func(string) (string, error) {
	return func(v string) (string, error) {
		if v = strings.ToLower(v); slices.Contains(values, v) {
			return v, nil
		}
		return "", fmt.Errorf("want one of %s", strings.Join(values, ", "))
	}
}

// takeSame takes no other value than the one that is in force, by any of its names.
func takeSame(value string, names ...string) func(string) (string, error) {
	return func(v string) (string, error) {
		if slices.Contains(names, strings.ToLower(v)) {
			return value, nil
		}
		return "", fmt.Errorf("only %s is spoken here", value)
	}
}

func takeDateStyle(v string) (string, error) {
	if first, _, _ := strings.Cut(strings.ToLower(v), ","); strings.TrimSpace(first) != "iso" {
		return "", fmt.Errorf("only ISO is spoken here")
	}
	return "ISO, MDY", nil
}

func takeNumber(v string) (string, error) {
	if _, err := strconv.ParseFloat(v, 64); err != nil {
		return "", fmt.Errorf("want a number")
	}
	return v, nil
}

// timeUnits are PostgreSQL's.
var timeUnits = map[string]time.Duration{"": time.Millisecond, "us": time.Microsecond, "ms": time.Millisecond, "s": time.Second, "min": time.Minute, "h": time.Hour, "d": 24 * time.Hour}

func takeTime(v string) (string, error) {
	d, err := timeOf(v)
	if err != nil {
		return "", err
	}
	return d, nil
}

// timeOf returns a time in milliseconds as PostgreSQL shows it.
func timeOf(v string) (string, error) {
	v = strings.TrimSpace(v)
	digits := len(v) - len(strings.TrimLeft(v, "0123456789."))
	unit, ok := timeUnits[strings.TrimSpace(v[digits:])]
	n, err := strconv.ParseFloat(v[:digits], 64)
	if err != nil || !ok || n*float64(unit) > float64(1<<62) {
		return "", fmt.Errorf("want milliseconds, or a number with a unit as in 30s or 5min")
	}
	return strconv.FormatInt(time.Duration(n*float64(unit)).Milliseconds(), 10), nil
}

// settings are what a session has set. Those of the start are what RESET goes back to.
type settings struct {
	first, now map[string]string
}

func newSettings() *settings {
	return &settings{first: map[string]string{}, now: map[string]string{}}
}

// take checks a value.
func take(name, value string) (string, string, error) {
	key := strings.ToLower(name)
	s, ok := known[key]
	switch {
	case !ok && strings.Contains(key, ".") && !strings.HasPrefix(key, "tidemark."):
		return key, value, nil // of an extension that is not here
	case !ok:
		f := &failure{code: "42704", message: fmt.Sprintf("unrecognized configuration parameter %q", oneLine(name))}
		if strings.HasPrefix(key, "tidemark.") {
			f.hint = "there are " + strings.Join(ours(), ", ")
		}
		return "", "", f
	case s.take == nil:
		return "", "", &failure{code: "55P02", message: fmt.Sprintf("parameter %q cannot be changed", key)}
	}
	v, err := s.take(value)
	if err != nil {
		return "", "", &failure{code: "22023", message: fmt.Sprintf("invalid value for parameter %q: %q", key, oneLine(value)), hint: err.Error()}
	}
	if key == "timezone" {
		v = "UTC" // times are in UTC whatever is set, and say so
	}
	return key, v, nil
}

// ours lists the settings that mean something here only.
func ours() (out []string) {
	for name := range known {
		if strings.HasPrefix(name, "tidemark.") {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// maxSettings bounds the settings of extensions that a session may invent, and settingBytes their values (W6).
const (
	maxSettings  = 1000
	settingBytes = 8 << 10
)

func (s *settings) put(name, value string) error {
	key, value, err := take(name, value)
	if err != nil {
		return err
	}
	if len(value) > settingBytes || len(s.now) >= maxSettings {
		return &failure{code: "54000", message: fmt.Sprintf("parameter %q: at most %d settings of %d bytes", oneLine(name), maxSettings, settingBytes)}
	}
	s.now[key] = value
	return nil
}

// start sets what the start message says.
func (s *settings) start(name, value string) error {
	if err := s.put(name, value); err != nil {
		return err
	}
	s.first = maps.Clone(s.now)
	return nil
}

// reset goes back to the start; "" means all settings.
func (s *settings) reset(name string) error {
	if name == "" {
		s.now = maps.Clone(s.first)
		return nil
	}
	key := strings.ToLower(name)
	if k, ok := known[key]; ok && k.take == nil {
		return &failure{code: "55P02", message: fmt.Sprintf("parameter %q cannot be changed", key)}
	}
	delete(s.now, key)
	if v, ok := s.first[key]; ok {
		s.now[key] = v
	}
	return nil
}

// get returns a value; ok is false where there is no such setting.
func (s *settings) get(name string) (value string, ok bool) {
	key := strings.ToLower(name)
	if v, ok := s.now[key]; ok {
		return v, true
	}
	k, ok := known[key]
	return k.value, ok
}

func (s *settings) is(name, value string) bool {
	v, _ := s.get(name)
	return v == value
}

// timeout is how long a statement may take; 0: no limit of the session's.
func (s *settings) timeout() time.Duration {
	v, _ := s.get("statement_timeout")
	ms, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return 0
	}
	return time.Duration(ms) * time.Millisecond
}

// request is a statement with what the session has set.
func (x *session) request(sql string, params []any) (query.Request, error) {
	asOf, err := catalog.ParseAsOf(x.value("tidemark.as_of"))
	if err != nil {
		return query.Request{}, &failure{code: "22023", message: err.Error()}
	}
	return query.Request{
		SQL: sql, Params: params, Project: x.names.project,
		Approximate: x.set.is("tidemark.approximate", "on"),
		Raw:         query.RawPolicy(x.value("tidemark.raw")), AsOf: asOf,
	}, nil
}

func (x *session) value(name string) string {
	v, _ := x.set.get(name)
	return v
}

func takeAsOf(v string) (string, error) {
	_, err := catalog.ParseAsOf(v)
	return v, err
}

// shown is what SHOW says of a setting that there is.
func (x *session) shown(name string) string {
	if strings.EqualFold(name, "session_authorization") {
		return x.names.user
	}
	v, _ := x.set.get(name)
	return v
}
