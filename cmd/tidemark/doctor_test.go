package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/internal/config"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/doctor"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// What doctor advises can be pasted into a shell: it reaches the same process.
func TestAdviceReachesTheSameProcess(t *testing.T) {
	given := func(args map[string]string) *config.Config {
		t.Helper()
		cfg, err := config.Load(config.Input{Flags: args})
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	for _, c := range []struct {
		args          map[string]string
		command, want string
	}{
		{nil, "tidemark table resume clicks", "tidemark table resume clicks"},
		{map[string]string{"data": "/var/lib/t"}, "tidemark serve", "tidemark serve --data /var/lib/t"},
		{map[string]string{"data": "my data's"}, "tidemark job retry 7", `tidemark job retry 7 --data 'my data'\''s'`},
		{map[string]string{"server": "db:9000"}, "tidemark job retry 7", "tidemark job retry 7 --server db:9000"},
		{map[string]string{"server": "db:9000"}, "tidemark serve", "tidemark serve"},
		{map[string]string{"data": "x"}, "", ""},
	} {
		if got := reaching(given(c.args), c.command); got != c.want {
			t.Errorf("%q with %v: got %q, want %q", c.command, c.args, got, c.want)
		}
	}
}

// Exit codes go by the worst finding.
func TestVerdict(t *testing.T) {
	a := &app{process: process{stderr: io.Discard}}
	for want, severities := range map[int][]doctor.Severity{
		0: {doctor.Fine, doctor.Fine}, exitWarnings: {doctor.Fine, doctor.Warning}, 1: {doctor.Warning, doctor.Blocked, doctor.Fine},
	} {
		var list []doctor.Finding
		for _, s := range severities {
			list = append(list, doctor.Finding{Severity: s})
		}
		if got := a.report(verdict(list)); got != want {
			t.Errorf("%v: exit code %d, want %d", severities, got, want)
		}
	}
}

// A bundle has settings without secrets and the state, is written once, and where nobody can be asked it says so.
func TestBundle(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	def := filepath.Join(dir, "t.yaml")
	if err := os.WriteFile(def, []byte("table: clicks\ntopic: clicks\nevent_time: {column: ts}\ncolumns: [{name: ts, type: timestamp(ms)}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := cli(t, "table", "apply", "-f", def, "--data", data); code != 0 {
		t.Fatal(errs)
	}
	refreshFails(t, filepath.Join(data, "catalog.db"), `row 2 has the same key mail = "ann@example.com" as row 1`)
	path := filepath.Join(dir, "b.tar.gz")
	args := []string{"doctor", "--bundle", path, "--data", data, "--kafka-sasl", "PLAIN", "--kafka-user", "ann", "--kafka-password", "topsecret"}
	if out, errs, code := cli(t, args...); code != 1 || !strings.Contains(out, "table default/clicks was never read") || !strings.Contains(out, "ann@example.com") || !strings.Contains(errs, "is written") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	got := unpacked(t, path)
	for _, name := range []string{"README.txt", "version.json", "settings.txt", "doctor.json", "ready.json", "tables.json", "cubes.json", "sources.json", "tasks.json", "jobs.json", "metrics.txt"} {
		if got[name] == "" {
			t.Errorf("%s is missing; errors: %s", name, got["errors.txt"])
		}
	}
	for name, text := range got {
		if strings.Contains(text, "topsecret") {
			t.Errorf("a password is in %s", name)
		}
		if strings.Contains(text, "ann@example.com") {
			t.Errorf("a value is in %s: %s", name, text)
		}
	}
	if !strings.Contains(got["settings.txt"], "user: ann") || !strings.Contains(got["doctor.json"], "never read") || !strings.Contains(got["doctor.json"], "failed 1 times since: the reason may quote values") || !strings.Contains(got["metrics.txt"], "go_goroutines") {
		t.Errorf("settings %s\ndoctor %s", got["settings.txt"], got["doctor.json"])
	}
	if _, errs, code := cli(t, args...); code != 1 || !strings.Contains(errs, "exist") {
		t.Errorf("a file that is there: exit %d, %s", code, errs)
	}
	alone := filepath.Join(dir, "alone.tar.gz")
	if out, _, code := cli(t, "doctor", "--bundle", alone, "--data", filepath.Join(dir, "none")); code != 1 || !strings.Contains(out, "there is no data folder") {
		t.Errorf("nobody to ask: exit %d, %s", code, out)
	}
	if got := unpacked(t, alone); got["settings.txt"] == "" || !strings.Contains(got["doctor.json"], "there is no data folder") {
		t.Errorf("nobody to ask: %v", got)
	}
}

// A server that does not answer, or refuses to, leaves what this program knows by itself.
func TestBundleOfAServerThatDoesNotAnswer(t *testing.T) {
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error":{"code":"unauthorized","message":"who are you"}}`)
	}))
	defer refusing.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for url, want := range map[string]string{refusing.URL: "who are you", gone.URL: "refused"} {
		path := filepath.Join(t.TempDir(), "b.tar.gz")
		out, errs, code := cli(t, "doctor", "--bundle", path, "--server", url, "--kafka-sasl", "PLAIN", "--kafka-user", "ann", "--kafka-password", "topsecret")
		if code != 1 || !strings.Contains(out, want) || !strings.Contains(out, "tidemark ready --server "+url) || !strings.Contains(errs, "is written") {
			t.Errorf("%s: exit %d: %s%s", want, code, out, errs)
			continue
		}
		got := unpacked(t, path)
		for name, text := range map[string]string{"version.json": "duckdb", "settings.txt": "user: ann", "doctor.json": want, "errors.txt": want} {
			if !strings.Contains(got[name], text) {
				t.Errorf("%s: %s holds %q, want %q", want, name, got[name], text)
			}
		}
		if strings.Contains(got["settings.txt"], "topsecret") {
			t.Errorf("a password is in %s", got["settings.txt"])
		}
	}
	path := filepath.Join(t.TempDir(), "b.tar.gz")
	if _, errs, code := cli(t, "doctor", "nope", "--bundle", path, "--data", t.TempDir()); code != 1 || !strings.Contains(errs, "nope") || exists(path) {
		t.Errorf("no such table: exit %d: %s, written: %t", code, errs, exists(path))
	}
}

// refreshFails makes a lookup table whose query fails.
func refreshFails(t *testing.T, path, problem string) {
	t.Helper()
	c, err := catalog.Open(t.Context(), path, catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l := &cube.Lookup{
		Project: "default", Name: "mails", ID: "mails", Version: 1, Key: "mail",
		Columns: []cube.LookupColumn{{Name: "mail", Type: "string"}}, Query: &cube.LookupQuery{SQL: "SELECT mail FROM clicks"},
	}
	err = c.AppendLookup(t.Context(), catalog.LookupVersion{Lookup: l, Key: "lookups/mails/1", SHA256: "ab"})
	if err = errors.Join(err, c.NoteLookupRefresh(t.Context(), "mails", 1, problem), c.Close()); err != nil {
		t.Fatal(err)
	}
}

func unpacked(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zr, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimPrefix(h.Name, "tidemark-support/")] = string(body)
	}
}
