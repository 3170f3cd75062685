package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// checkCompose loads the file as docker compose does: its schema, its variables, and that services, volumes and networks
// that are named exist. Files that it mounts must be there, for Docker would make folders of their names.
func checkCompose(path string, known settings) error {
	// Nothing of this machine's environment: the file must be whole by itself.
	opts, err := cli.NewProjectOptions([]string{path}, cli.WithName("tidemark"), cli.WithConsistency(true))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	project, err := opts.LoadProject(context.Background())
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var errs []error
	for name, s := range project.Services {
		where := fmt.Sprintf("%s: service %s", path, name)
		errs = append(errs, mounted(where, s)...)
		if s.Image != "" && !strings.Contains(s.Image, ":") {
			errs = append(errs, fmt.Errorf("%s: image %s has no version", where, s.Image))
		}
		if s.Build != nil {
			var names []string
			for v := range s.Environment {
				names = append(names, v)
			}
			slices.Sort(names)
			errs = append(errs, known.problems(where, s.Command, names)...)
		}
	}
	for _, want := range []string{"redpanda", "minio", "postgres", "tidemark", "prometheus", "grafana"} {
		if _, ok := project.Services[want]; !ok {
			errs = append(errs, fmt.Errorf("%s: there is no service %s", path, want))
		}
	}
	return errors.Join(errs...)
}

func mounted(where string, s types.ServiceConfig) (errs []error) {
	for _, v := range s.Volumes {
		if v.Type != types.VolumeTypeBind {
			continue
		}
		if _, err := os.Stat(v.Source); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", where, err))
		}
	}
	return errs
}
