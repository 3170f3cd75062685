package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tidemarkdb/tidemark/internal/config"
	"github.com/tidemarkdb/tidemark/internal/doctor"
	"github.com/tidemarkdb/tidemark/internal/server"
)

// exitWarnings is the exit code of doctor where nothing is blocked, but something soon will be (X2).
const exitWarnings = 3

// exitError ends the program with a code of its own.
type exitError struct {
	error
	code int
}

func (a *app) doctorCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "doctor [NAME]", Short: "Say why a table or cube does not move, and which command mends it", Args: atMost(1, "NAME"),
		Long: `Says in one sentence for each table and cube, or for the one that is named, what blocks it, and the command that mends it; and what of the
whole is wrong or will be: the store, partitions that cannot be read, tasks that fail, clocks, disks. Exit code 0: all moves; 3: something
will not for long; 1: something is blocked.

With --bundle it writes a file for those who are asked for help: settings without secrets, versions, state, metrics and logs of failed jobs. No
events, no statements and no definitions are in it.`,
		Example: "  tidemark doctor\n  tidemark doctor clicks_cube\n  tidemark doctor --bundle tidemark-support.tar.gz",
	}
	project := c.Flags().String("project", "", "only of this project (default: all)")
	bundle := c.Flags().String("bundle", "", "write a support bundle to `FILE`, a new .tar.gz")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		q := request{method: http.MethodGet, path: "/doctor", query: queryOf("project", *project)}
		if len(args) == 1 {
			q.query.Set("name", args[0])
		}
		cfg, err := a.target()
		if err != nil {
			return err
		}
		out, err := a.examine(cmd, cfg, q, *bundle)
		if err != nil {
			return err
		}
		for i, f := range out.Findings {
			out.Findings[i].Command = reaching(cfg, f.Command)
		}
		if err := a.print(out, func(w io.Writer) error { return printFindings(w, *out) }); err != nil {
			return err
		}
		return verdict(out.Findings)
	}
	return c
}

// examine asks the running process, or the handlers of this one, and looks at the disks of this machine. Where nobody can be
// asked, that is the finding.
func (a *app) examine(cmd *cobra.Command, cfg *config.Config, q request, bundle string) (out *doctor.Report, err error) {
	cl, err := a.connect(cmd.Context(), false)
	if err != nil {
		out = doctor.Unreachable(err)
	} else {
		defer func() { err = errors.Join(err, cl.close()) }()
		out = &doctor.Report{}
		if err := cl.do(cmd.Context(), q, out); err != nil {
			if out = unanswered(cl, err, bundle != ""); out == nil {
				return nil, err
			}
		}
	}
	if cfg.Server == "" && len(q.query["name"]) == 0 {
		rooms, err := disks(cfg)
		if err != nil {
			return nil, err
		}
		for _, d := range rooms {
			out.Findings = append(d.Findings(), out.Findings...)
		}
	}
	if bundle == "" {
		return out, nil
	}
	if err := writeBundle(cmd.Context(), bundle, cfg, cl, out); err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(a.stderr, "%s is written: no events, no statements and no secrets are in it; look through it before you send it\n", bundle)
	return out, err
}

// unanswered is the report where a process does not answer, or, in a bundle, refuses to: what can be had without it is worth
// sending. nil: the question was wrong, or there is nothing to add to its refusal.
func unanswered(cl *client, err error, bundle bool) *doctor.Report {
	var refused *server.Error
	if errors.As(err, &refused) && (!bundle || refused.Status == http.StatusNotFound || refused.Status == http.StatusBadRequest) {
		return nil
	}
	out := doctor.Unreachable(err)
	if cl.node == nil {
		out.Findings[0].Command = "tidemark ready"
	}
	return out
}

// verdict is the exit code of findings, as an error.
func verdict(findings []doctor.Finding) error {
	n := map[doctor.Severity]int{}
	for _, f := range findings {
		n[f.Severity]++
	}
	switch {
	case n[doctor.Blocked] > 0:
		return fmt.Errorf("doctor: %d of %d are blocked", n[doctor.Blocked], len(findings))
	case n[doctor.Warning] > 0:
		return &exitError{fmt.Errorf("doctor: %d of %d want to be looked at", n[doctor.Warning], len(findings)), exitWarnings}
	}
	return nil
}

// reaching adds the flags by which a command reaches what this one has asked.
func reaching(cfg *config.Config, command string) string {
	switch {
	case command == "":
		return ""
	case cfg.Server != "" && strings.HasPrefix(command, "tidemark serve"):
		return command // where the server runs
	case cfg.Server != "":
		return command + " --server " + shellWord(cfg.Server)
	case cfg.Given("data"):
		return command + " --data " + shellWord(cfg.Data)
	}
	return command
}

// shellWord quotes what a shell would take apart.
func shellWord(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@%+,") == "" && s != "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func printFindings(w io.Writer, out doctor.Report) error {
	if len(out.Findings) == 0 {
		_, err := fmt.Fprintln(w, "no tables: make one with tidemark table apply -f FILE")
		return err
	}
	for _, f := range out.Findings {
		if _, err := fmt.Fprintln(w, oneLine(f.Says)); err != nil {
			return err
		}
		if f.Command != "" {
			fmt.Fprintf(w, "  mend it with: %s\n", f.Command)
		}
	}
	return nil
}
