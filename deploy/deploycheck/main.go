// Command deploycheck reads what the project's checks cannot run, each with the reader of the tool that will: compose.yaml with
// Compose's loader, the Dockerfile with BuildKit's parser, manifests with the API server's strict decoder, Terraform files with
// Terraform's own inspection of modules. Beside that it wants names to agree: settings with docs/OPERATING.md, labels with
// selectors, rights with the calls of internal/blob. It starts nothing. It is a module of its own: nothing of these tools
// reaches tidemark.
//
//	deploycheck ROOT
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: deploycheck ROOT")
		os.Exit(2)
	}
	if err := check(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check(root string) error {
	known, err := documentedSettings(filepath.Join(root, "docs", "OPERATING.md"))
	if err != nil {
		return err
	}
	deploy := filepath.Join(root, "deploy")
	return errors.Join(
		checkCompose(filepath.Join(deploy, "compose.yaml"), known),
		checkDockerfile(filepath.Join(deploy, "Dockerfile"), root, known),
		checkKubernetes(filepath.Join(deploy, "kubernetes"), known),
		checkTerraform(filepath.Join(deploy, "terraform"), filepath.Join(root, "internal", "blob"), known),
	)
}

// settings are the flags, variables and keys that tidemark knows, and the roles of a process.
type settings struct {
	flags, variables, keys map[string]bool
	roles                  []string
	rights                 map[string][]string // to the store, by role
}

var rolesRow = regexp.MustCompile("(?m)^\\| `--roles [^|]*\\| `TIDEMARK_ROLES` \\| `roles` \\| `([a-z,]+)` \\|")

var rightsRow = regexp.MustCompile("(?m)^\\| `([a-z]+)` \\| ((?:`s3:[A-Za-z]+`(?:, )?)+) \\|")

var settingRow = regexp.MustCompile("(?m)^\\| `--([a-z0-9-]+)[^`]*` \\| `(TIDEMARK_[A-Z0-9_]+)` \\| `([a-z0-9_.]+)` \\|")

func documentedSettings(path string) (settings, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return settings{}, err
	}
	s := settings{flags: map[string]bool{"config": true}, variables: map[string]bool{"TIDEMARK_CONFIG": true}, keys: map[string]bool{}}
	for _, m := range settingRow.FindAllStringSubmatch(string(text), -1) {
		s.flags[m[1]], s.variables[m[2]], s.keys[m[3]] = true, true, true
	}
	roles := rolesRow.FindStringSubmatch(string(text))
	if len(s.flags) == 0 || roles == nil {
		return s, fmt.Errorf("%s: no row of a setting found, or none of --roles", path)
	}
	s.roles, s.rights = strings.Split(roles[1], ","), map[string][]string{}
	for _, m := range rightsRow.FindAllStringSubmatch(string(text), -1) {
		s.rights[m[1]] = strings.Split(strings.ReplaceAll(m[2], "`", ""), ", ")
	}
	return s, nil
}

// checkRoles wants the processes that serve to have all roles together, and none that tidemark does not know. Without the setting
// a process has them all.
func (s settings) checkRoles(of map[string][]string) (errs []error) {
	have := map[string]bool{}
	for name, args := range of {
		given := strings.Join(s.roles, ",")
		for _, a := range args {
			if v, ok := strings.CutPrefix(a, "--roles="); ok {
				given = v
			}
		}
		for role := range strings.SplitSeq(given, ",") {
			if have[role] = true; !slices.Contains(s.roles, role) {
				errs = append(errs, fmt.Errorf("%s: tidemark has no role %q", name, role))
			}
		}
	}
	for _, role := range s.roles {
		if !have[role] {
			errs = append(errs, fmt.Errorf("no process has the role %s", role))
		}
	}
	return errs
}

// problems complains about flags and variables that tidemark would refuse.
func (s settings) problems(where string, args, variables []string) (errs []error) {
	for _, a := range args {
		name, ok := strings.CutPrefix(a, "--")
		if name, _, _ = strings.Cut(name, "="); ok && !s.flags[name] {
			errs = append(errs, fmt.Errorf("%s: tidemark has no setting --%s", where, name))
		}
	}
	for _, v := range variables {
		if strings.HasPrefix(v, "TIDEMARK_") && !s.variables[v] {
			errs = append(errs, fmt.Errorf("%s: tidemark has no variable %s", where, v))
		}
	}
	return errs
}

// file complains about keys of a configuration file that tidemark would refuse.
func (s settings) file(where, prefix string, values map[string]any) (errs []error) {
	for name, v := range values {
		below, nested := v.(map[string]any)
		switch {
		case nested:
			errs = append(errs, s.file(where, prefix+name+".", below)...)
		case !s.keys[prefix+name]:
			errs = append(errs, fmt.Errorf("%s: tidemark has no key %s", where, prefix+name))
		}
	}
	return errs
}
