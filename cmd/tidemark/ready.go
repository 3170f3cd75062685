package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidemarkdb/tidemark/internal/config"
	"github.com/tidemarkdb/tidemark/internal/server"
)

// readyLimit is how long the running process may take to answer.
const readyLimit = 5 * time.Second

// readyCommand is for health checks of containers, which have no other program to ask with.
func (a *app) readyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "ready", Short: "Say whether the running tidemark is ready, for health checks", Args: exactly(),
		Long: "Asks /readyz of the process that holds --data, or of --server. Exit code 0: it is ready; 1: it is not, or none runs. Brokers that do not " +
			"answer are told and are no reason not to be ready.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.target()
			if err != nil {
				return err
			}
			c, err := running(cfg)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), readyLimit)
			defer cancel()
			out, err := c.readiness(ctx)
			if err != nil {
				return err
			}
			if err := a.print(out, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "catalog: %s\nstore: %s\n", oneLine(out.Catalog), oneLine(out.Store))
				if err == nil && out.Kafka != "" {
					_, err = fmt.Fprintf(w, "kafka: %s\n", oneLine(out.Kafka))
				}
				return err
			}); err != nil {
				return err
			}
			if out.Leaving {
				return fmt.Errorf("%s is stopping", strings.TrimPrefix(c.base, "http://"))
			}
			if !out.Ready {
				return fmt.Errorf("%s is not ready", strings.TrimPrefix(c.base, "http://"))
			}
			return nil
		},
	}
}

// running connects to the process that runs already.
func running(cfg *config.Config) (*client, error) {
	if cfg.Server != "" {
		return remote(cfg.Server, cfg.Client)
	}
	address, err := config.Address(cfg.Data)
	if err != nil {
		return nil, err
	}
	if address == "" {
		return nil, fmt.Errorf("no process holds data folder %s: start tidemark serve, or name one with --server", cfg.Data)
	}
	return holder(cfg, address)
}

// readiness asks what a load balancer asks; no user needs to be known for it, but one that is known is told reasons.
func (c *client) readiness(ctx context.Context) (out server.Readiness, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/readyz", http.NoBody)
	if err != nil {
		return out, err
	}
	c.sign(r)
	resp, err := c.http.Do(r)
	if err != nil {
		return out, fmt.Errorf("ask the running tidemark: %w", explained(err))
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxReply)).Decode(&out); err != nil {
		return out, fmt.Errorf("GET %s/readyz: %s, and no JSON in the answer: is this a tidemark? %w", c.base, resp.Status, err)
	}
	return out, nil
}
