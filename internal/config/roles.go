package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Roles of a process that serves.
const (
	RoleIngest   = "ingest"   // reads tables
	RoleSchedule = "schedule" // decides what is built, merged and cleaned up
	RoleBuild    = "build"    // builds and merges segments
	RoleQuery    = "query"    // answers statements
)

// Roles lists all that there are, in the order in which they are named.
func Roles() []string { return []string{RoleIngest, RoleSchedule, RoleBuild, RoleQuery} }

// Has reports whether a process that serves has a role.
func (c *Config) Has(role string) bool { return slices.Contains(c.Roles, role) }

// setRoles keeps them in the order of Roles, so that equal lists look equal.
func setRoles(c *Config, v string) error {
	all := Roles()
	var errs []error
	given := map[string]bool{}
	for _, r := range splitList(v) {
		r = strings.ToLower(r)
		switch {
		case !slices.Contains(all, r):
			errs = append(errs, fmt.Errorf("there is no role %q%s: want some of %s", r, Suggest(r, all), strings.Join(all, ", ")))
		case given[r]:
			errs = append(errs, fmt.Errorf("role %s is named twice: name it once", r))
		}
		given[r] = true
	}
	if len(given) == 0 {
		return fmt.Errorf("no role is named: want some of %s, or leave the setting away for all of them", strings.Join(all, ", "))
	}
	c.Roles = nil
	for _, r := range all {
		if given[r] {
			c.Roles = append(c.Roles, r)
		}
	}
	return errors.Join(errs...)
}

// validateRoles refuses what cannot work, whatever other processes there are.
func (c *Config) validateRoles() error {
	if len(c.Roles) == len(Roles()) {
		return nil
	}
	var errs []error
	lacks := func(role, key, what string) {
		if c.Given(key) && !c.Has(role) {
			errs = append(errs, complain(c.sources[key], "%s, which only a process with role %s does: add %[2]s to --roles, or take this away", what, role))
		}
	}
	if c.PG.Listen != "off" {
		lacks(RoleQuery, "pg.listen", "clients of PostgreSQL are answered with it")
	}
	lacks(RoleIngest, "ingest.partitions", "these partitions are read with it")
	where, named := c.sources["roles"], strings.Join(c.Roles, ",")
	switch {
	case c.Catalog != "" && c.Store == "":
		errs = append(errs, complain(where, "roles %s without --store: the files would lie in the folder of this process, where those with the other roles do not find them: "+
			"give all of them one --store s3://bucket/prefix", named))
	case c.Catalog == "" && named != RoleQuery: // an archive is asked, and may be kept in order besides, without anybody who reads
		var missing []string
		for _, r := range []string{RoleSchedule, RoleBuild} {
			if !c.Has(r) {
				missing = append(missing, r)
			}
		}
		if len(missing) > 0 {
			errs = append(errs, complain(where, "roles %s without %s, but the catalog is SQLite in --data, which no second process can share, so that nobody would do the rest: "+
				"give this process all roles, or query alone to ask what is there, or give all processes --catalog postgres://... and --store s3://...", named, strings.Join(missing, ",")))
		}
	}
	return errors.Join(errs...)
}
