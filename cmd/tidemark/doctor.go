package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tidemarkdb/tidemark/internal/config"
	"github.com/tidemarkdb/tidemark/internal/doctor"
)

func (a *app) doctorCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "doctor [NAME]", Short: "Say why a table or cube does not move, and which command mends it", Args: atMost(1, "NAME"),
		Long: "Says in one sentence for each table and cube, or for the one that is named, what blocks it, and the command that mends it.\nExit code 1: something is blocked.",
	}
	project := c.Flags().String("project", "", "only of this project (default: all)")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		q := request{method: http.MethodGet, path: "/doctor", query: queryOf("project", *project)}
		if len(args) == 1 {
			q.query.Set("name", args[0])
		}
		var out doctor.Report
		if err := a.ask(cmd, false, q, &out); err != nil {
			return err
		}
		cfg, err := a.config()
		if err != nil {
			return err
		}
		blocked := 0
		for i, f := range out.Findings {
			if f.Blocked {
				blocked++
			}
			out.Findings[i].Command = reaching(cfg, f.Command)
		}
		if err := a.print(out, func(w io.Writer) error { return printFindings(w, out) }); err != nil || blocked == 0 {
			return err
		}
		return fmt.Errorf("doctor: %d of %d are blocked", blocked, len(out.Findings))
	}
	return c
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
