package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// checkDockerfile parses the file as docker build does, with the findings of its linter as errors. Files that it copies from
// the repository must be there, and the last stage must not run as root.
func checkDockerfile(path, root string, known settings) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	parsed, err := parser.Parse(f)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var errs []error
	for _, w := range parsed.Warnings {
		errs = append(errs, fmt.Errorf("%s: %s", path, w.Short))
	}
	lint := linter.New(&linter.Config{Warn: func(rule, _, _, text string, at []parser.Range) {
		line := 0
		if len(at) > 0 {
			line = at[0].Start.Line
		}
		errs = append(errs, fmt.Errorf("%s:%d: %s: %s", path, line, rule, text))
	}})
	stages, _, err := instructions.Parse(parsed.AST, lint)
	if err != nil {
		return errors.Join(append(errs, fmt.Errorf("%s: %w", path, err))...)
	}
	names := map[string]bool{}
	for i := range stages {
		errs = append(errs, checkStage(&stages[i], path, root, names, known)...)
		names[stages[i].Name] = true
	}
	if len(stages) < 2 {
		errs = append(errs, fmt.Errorf("%s: compiler and sources would be in the image: want two stages", path))
	}
	return errors.Join(append(errs, lastStage(&stages[len(stages)-1], path)...)...)
}

func checkStage(s *instructions.Stage, path, root string, before map[string]bool, known settings) (errs []error) {
	for _, c := range s.Commands {
		switch c := c.(type) {
		case *instructions.CopyCommand:
			if c.From != "" && !before[c.From] {
				errs = append(errs, fmt.Errorf("%s: COPY --from=%s: no stage above has this name", path, c.From))
			}
			for _, src := range c.SourcePaths {
				if _, err := os.Stat(filepath.Join(root, src)); c.From == "" && err != nil {
					errs = append(errs, fmt.Errorf("%s: COPY: %w", path, err))
				}
			}
		case *instructions.EnvCommand:
			for _, kv := range c.Env {
				errs = append(errs, known.problems(path, nil, []string{kv.Key})...)
			}
		case *instructions.CmdCommand:
			errs = append(errs, known.problems(path, c.CmdLine, nil)...)
		}
	}
	return errs
}

// lastStage wants what is run: not as root, without a shell.
func lastStage(s *instructions.Stage, path string) (errs []error) {
	user, starts := "", false
	for _, c := range s.Commands {
		switch c := c.(type) {
		case *instructions.UserCommand:
			user = c.User
		case *instructions.EntrypointCommand:
			starts = !c.PrependShell
		case *instructions.RunCommand:
			errs = append(errs, fmt.Errorf("%s: RUN in the last stage, which has no shell", path))
		case *instructions.HealthCheckCommand:
			if len(c.Health.Test) == 0 || c.Health.Test[0] != "CMD" {
				errs = append(errs, fmt.Errorf("%s: HEALTHCHECK needs a shell: write it as a list", path))
			}
		}
	}
	if name, _, _ := strings.Cut(user, ":"); name == "" || name == "root" || name == "0" {
		errs = append(errs, fmt.Errorf("%s: the last stage runs as %q: want a user without rights", path, user))
	}
	if !starts {
		errs = append(errs, fmt.Errorf("%s: the last stage has no ENTRYPOINT, or one that needs a shell", path))
	}
	return errs
}
