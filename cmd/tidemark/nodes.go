package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tidemarkdb/tidemark/internal/server"
)

func (a *app) nodesCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "nodes", Short: "List the processes that work on the catalog, and what each of them does", Args: exactly(),
		Example: "  tidemark nodes --server http://node-1:7070",
	}
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		var out server.Nodes
		if err := a.ask(cmd, false, request{method: http.MethodGet, path: "/nodes"}, &out); err != nil {
			return err
		}
		return a.print(out, func(w io.Writer) error {
			if len(out.Nodes) == 0 {
				_, err := fmt.Fprintln(w, "no process has served this catalog within a week")
				return err
			}
			return table(w, "NODE ADDRESS ROLES STATE SEEN VERSION", func(row func(...any)) {
				for _, n := range out.Nodes {
					state := "silent"
					if n.Live {
						state = "live"
					}
					row(n.Node, dash(n.Address), dash(strings.Join(n.Roles, ",")), state, timeText(n.SeenAt), n.Version)
				}
			})
		})
	}
	return c
}
