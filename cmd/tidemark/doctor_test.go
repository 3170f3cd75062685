package main

import (
	"testing"

	"github.com/tidemarkdb/tidemark/internal/config"
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
