package config

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Input is what the settings are made of, the strongest first.
type Input struct {
	Flags map[string]string // the flags that were given, by their name without dashes
	Env   []string          // "NAME=value", as os.Environ gives it
	File  string            // path of the YAML file; "" = TIDEMARK_CONFIG, else none
	Roles bool              // for a process that serves; all others do their work themselves, whatever the roles say
}

// Variables that are ours but no settings.
const (
	configVariable = EnvPrefix + "CONFIG"
	testPrefix     = EnvPrefix + "TEST_"
	pythonVariable = EnvPrefix + "PYTHON"
)

type value struct{ text, where string }

// Load returns the settings in force, or every complaint about them.
func Load(in Input) (*Config, error) {
	table := Settings()
	env, err := readEnv(table, in.Env)
	errs := []error{err}
	file := in.File
	if file == "" {
		file = env[configVariable].text
	}
	fromFile, err := readFile(table, file)
	errs = append(errs, err)

	c := &Config{sources: map[string]string{}}
	for i := range table {
		s := &table[i]
		v := value{s.Default, ""}
		if f, ok := fromFile[s.Key]; ok {
			v = f
		}
		if e, ok := env[s.Env()]; ok {
			v = e
		}
		if f, ok := in.Flags[s.Flag]; ok {
			v = value{f, "--" + s.Flag}
		}
		c.sources[s.Key] = v.where
		if v.text == "" && v.where == "" {
			continue
		}
		if err := s.set(c, v.text); err != nil {
			errs = append(errs, complain(v.where, "%s", err.Error()))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if !in.Roles {
		c.Roles = Roles()
	}
	if err := c.validate(); err != nil {
		return nil, err
	}
	return c, nil
}

// readEnv returns the variables that are ours, by name (C2).
func readEnv(table []Setting, env []string) (map[string]value, error) {
	known := []string{configVariable}
	for i := range table {
		known = append(known, table[i].Env())
	}
	out := map[string]value{}
	var errs []error
	for _, kv := range env {
		name, text, ok := strings.Cut(kv, "=")
		switch {
		case !ok || text == "" || !strings.HasPrefix(name, EnvPrefix): // empty is what a shell leaves of an unset one
		case strings.HasPrefix(name, testPrefix) || name == pythonVariable:
		case slices.Contains(known, name):
			out[name] = value{text, name}
		default:
			errs = append(errs, complain(name, "no such variable%s", Suggest(name, known)))
		}
	}
	return out, errors.Join(errs...)
}

// readFile returns the values of a YAML file by the key of their setting (C2).
func readFile(table []Setting, path string) (map[string]value, error) {
	if path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f := fileReader{path: path, values: map[string]value{}}
	for i := range table {
		f.known = append(f.known, table[i].Key)
	}
	if len(doc.Content) == 1 && doc.Content[0].Tag != "!!null" {
		f.walk("", doc.Content[0])
	}
	return f.values, errors.Join(f.errs...)
}

type fileReader struct {
	path   string
	known  []string
	values map[string]value
	errs   []error
}

func (f *fileReader) walk(prefix string, n *yaml.Node) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		f.errs = append(f.errs, complain(f.at(n), "want keys with values below %q", strings.TrimSuffix(prefix, ".")))
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		key := prefix + k.Value
		switch {
		case slices.Contains(f.known, key):
			f.take(key, k, v)
		case slices.ContainsFunc(f.known, func(s string) bool { return strings.HasPrefix(s, key+".") }):
			if v.Tag != "!!null" {
				f.walk(key+".", v)
			}
		default:
			f.errs = append(f.errs, complain(f.at(k), "unknown key %q%s", key, Suggest(key, f.known)))
		}
	}
}

func (f *fileReader) take(key string, k, v *yaml.Node) {
	if _, twice := f.values[key]; twice {
		f.errs = append(f.errs, complain(f.at(k), "%q is given twice", key))
		return
	}
	if v.Kind == yaml.AliasNode {
		v = v.Alias
	}
	switch {
	case v.Kind == yaml.ScalarNode && v.Tag != "!!null":
		f.values[key] = value{v.Value, f.at(k)}
	case v.Kind == yaml.SequenceNode && !slices.ContainsFunc(v.Content, func(e *yaml.Node) bool { return e.Kind != yaml.ScalarNode }):
		parts := make([]string, len(v.Content))
		for i, e := range v.Content {
			parts[i] = e.Value
		}
		f.values[key] = value{strings.Join(parts, ","), f.at(k)}
	default:
		f.errs = append(f.errs, complain(f.at(k), "%q wants a value or a list of values", key))
	}
}

func (f *fileReader) at(n *yaml.Node) string { return fmt.Sprintf("%s:%d", f.path, n.Line) }

// Dump prints the settings in force as a YAML file that Load reads back, with where each came from. Secrets are hidden
// (C4).
func (c *Config) Dump(w io.Writer) error {
	var open []string
	for _, s := range Settings() {
		path := strings.Split(s.Key, ".")
		same := 0
		for same < len(open) && same < len(path)-1 && open[same] == path[same] {
			same++
		}
		for ; same < len(path)-1; same++ {
			if _, err := fmt.Fprintf(w, "%s%s:\n", strings.Repeat("  ", same), path[same]); err != nil {
				return err
			}
		}
		open = path[:len(path)-1]
		where := c.sources[s.Key]
		if where == "" {
			where = "default"
		}
		line := fmt.Sprintf("%s%s: %s", strings.Repeat("  ", len(open)), path[len(path)-1], scalar(c.shown(&s)))
		if _, err := fmt.Fprintf(w, "%-50s # %s\n", line, where); err != nil {
			return err
		}
	}
	return nil
}

// Values returns the settings in force by key, secrets hidden (C4).
func (c *Config) Values() map[string]string {
	out := map[string]string{}
	for _, s := range Settings() {
		out[s.Key] = c.shown(&s)
	}
	return out
}

func (c *Config) shown(s *Setting) string {
	v := s.get(c)
	if !s.Secret || v == "" {
		return v
	}
	u, err := url.Parse(v)
	if err != nil || u.Scheme == "" || u.User == nil {
		return "***"
	}
	given := u.Query() // PostgreSQL takes passwords there too
	for name := range given {
		if strings.Contains(strings.ToLower(name), "password") {
			given.Set(name, "xxxxx")
			u.RawQuery = given.Encode()
		}
	}
	return u.Redacted()
}

func scalar(v string) string {
	b, err := yaml.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%q", v)
	}
	return strings.TrimSuffix(string(b), "\n")
}
