package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRoles(t *testing.T) {
	shared := map[string]string{"catalog": "postgres://db/tidemark", "store": "s3://bucket/prefix"}
	for name, c := range map[string]struct {
		flags map[string]string
		file  string
		want  []string
	}{
		"all by default":      {want: []string{"ingest", "schedule", "build", "query"}},
		"a flag":              {flags: with(shared, "roles", "query, ingest"), want: []string{"ingest", "query"}},
		"a list in the file":  {flags: shared, file: "roles: [build, Schedule]\n", want: []string{"schedule", "build"}},
		"an archive in order": {flags: map[string]string{"roles": "schedule,build,query"}, want: []string{"schedule", "build", "query"}},
		"no statements":       {flags: map[string]string{"roles": "build,ingest,schedule"}, want: []string{"ingest", "schedule", "build"}},
		"an archive":          {flags: map[string]string{"roles": "query", "pg": "127.0.0.1:0"}, want: []string{"query"}},
		"apart":               {flags: with(shared, "roles", "schedule"), want: []string{"schedule"}},
		"no port to answer":   {flags: with(with(shared, "roles", "build"), "pg", "off"), want: []string{"build"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := Input{Flags: c.flags, Roles: true}
			if c.file != "" {
				in.File = write(t, c.file)
			}
			got, err := Load(in)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got.Roles); d != "" {
				t.Errorf("roles (-want +got):\n%s", d)
			}
		})
	}
}

func with(flags map[string]string, name, value string) map[string]string {
	out := map[string]string{name: value}
	for k, v := range flags {
		out[k] = v
	}
	return out
}

// What cannot work says where it stands and what to do instead.
func TestRolesRefused(t *testing.T) {
	shared := map[string]string{"catalog": "postgres://db/tidemark", "store": "s3://bucket/prefix"}
	for name, c := range map[string]struct {
		flags map[string]string
		file  string
		want  []string
	}{
		"a slip of the pen":        {flags: map[string]string{"roles": "ingest,qery"}, want: []string{`--roles: there is no role "qery": did you mean query?`, "ingest, schedule, build, query"}},
		"another word":             {flags: map[string]string{"roles": "everything"}, want: []string{`no role "everything": want some of`}},
		"none":                     {flags: map[string]string{"roles": " , "}, want: []string{"--roles: no role is named", "leave the setting away"}},
		"none in the file":         {file: "roles: []\n", want: []string{":1: no role is named"}},
		"twice":                    {flags: map[string]string{"roles": "build,build"}, want: []string{"role build is named twice"}},
		"a port nobody answers on": {flags: with(with(shared, "roles", "ingest,build"), "pg", "127.0.0.1:7432"), want: []string{"--pg: ", "role query does: add query to --roles"}},
		"partitions nobody reads":  {flags: with(with(shared, "roles", "query"), "partitions", "0"), want: []string{"--partitions: ", "role ingest does: add ingest"}},
		"nobody builds":            {flags: map[string]string{"roles": "ingest,schedule,query"}, want: []string{"--roles: roles ingest,schedule,query without build", "all roles", "--catalog postgres://"}},
		"nobody cuts or builds":    {flags: map[string]string{"roles": "ingest,query"}, want: []string{"--roles: roles ingest,query without schedule,build", "--store s3://"}},
		"nobody cuts or builds it": {flags: map[string]string{"roles": "ingest"}, want: []string{"--roles: roles ingest without schedule,build"}},
		"nobody decides":           {flags: map[string]string{"roles": "build"}, want: []string{"--roles: roles build without schedule", "--store s3://"}},
		"a store of its own":       {flags: map[string]string{"roles": "query", "catalog": "postgres://db/tidemark"}, want: []string{"roles query without --store"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := Input{Flags: c.flags, Roles: true}
			if c.file != "" {
				in.File = write(t, c.file)
			}
			_, err := Load(in)
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
		})
	}
}

// Who does not serve does its work itself, and is not refused for what others are to do.
func TestRolesAreOfServe(t *testing.T) {
	c, err := Load(Input{Env: []string{"TIDEMARK_ROLES=schedule", "TIDEMARK_PG_LISTEN=127.0.0.1:0"}})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Roles(), c.Roles); d != "" {
		t.Errorf("roles (-want +got):\n%s", d)
	}
}

func TestAdvertise(t *testing.T) {
	for v, ok := range map[string]bool{"node-1:7070": true, "[::1]:7070": true, "node-1": false, ":7070": false, "node-1:0": false} {
		c, err := Load(Input{Flags: map[string]string{"advertise": v}})
		if (err == nil) != ok || ok && c.Advertise != v {
			t.Errorf("--advertise %s: %v, want accepted: %t", v, err, ok)
		}
	}
}
