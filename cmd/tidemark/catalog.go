package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/config"
	"github.com/tidemarkdb/tidemark/internal/server"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// catalogCommand holds what is about the catalog as a whole.
func (a *app) catalogCommand() *cobra.Command {
	c := group("catalog", "Back up the catalog, restore it, or make it again from the files")
	c.Long = "The catalog says what counts: definitions, ledger, segments, jobs. serve backs it up once a day to backup/ in the store."
	c.Example = `  tidemark catalog backup
  tidemark catalog restore --data /var/lib/tidemark-new --store s3://bucket/prefix
  tidemark catalog rebuild --data /var/lib/tidemark-new --store s3://bucket/prefix`
	c.AddCommand(a.catalogBackup(), a.catalogRestore(), a.catalogRebuild())
	return c
}

func (a *app) catalogBackup() *cobra.Command {
	c := &cobra.Command{
		Use: "backup", Short: "Write the whole catalog to the store, as tar.gz", Args: exactly(),
		Long: "Writes the catalog as it is at one moment. Where a process runs on the data folder it is asked to do it, by a task.",
	}
	c.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		cl, err := a.connect(cmd.Context(), false)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, cl.close()) }()
		if cl.node != nil {
			key, err := cl.node.builder.Backup(cmd.Context())
			if err != nil {
				return err
			}
			return a.print(map[string]string{"backup": key}, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "wrote %s\n", key)
				return err
			})
		}
		q := request{method: http.MethodPost, path: "/tasks"}
		if err := q.json(server.TaskRequest{Kind: "backup"}); err != nil {
			return err
		}
		var t server.Task
		if err := cl.do(cmd.Context(), q, &t); err != nil {
			return err
		}
		return a.printTask(t)
	}
	return c
}

// offline opens the store and the catalog without holding one against the other: the catalog is empty and gets the store's
// id with its contents.
func (a *app) offline(ctx context.Context, do func(st blob.Store, c *catalog.Catalog) error) (err error) {
	cfg, err := a.own("this one works on the store and the catalog itself")
	if err != nil {
		return err
	}
	data, err := config.OpenData(cfg.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	c, err := catalog.Open(ctx, cfg.CatalogDSN(), catalog.Options{CallTimeout: offlineCall})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	st, err := blob.OpenStore(ctx, cfg.StoreURL(), blob.Options{Retry: blob.RetryOptions{MaxElapsed: storePatience}})
	if err != nil {
		return err
	}
	return do(st, c)
}

// offlineCall is how long the one transaction that fills a catalog may take.
const offlineCall = time.Hour

func (a *app) catalogRestore() *cobra.Command {
	c := &cobra.Command{
		Use: "restore", Short: "Fill an empty catalog from a backup in the store", Args: exactly(),
		Long: "Fills an empty catalog from the newest backup, or the one that is named. A catalog that holds anything is refused. What was committed\nafter the backup is read again from Kafka, so that a backup older than the files that a topic lost must not be used: see rebuild.",
	}
	from := c.Flags().String("from", "", "`KEY` of the backup, as in backup/catalog-20260131T060000.000000Z.tar.gz (default: the newest)")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		return a.offline(cmd.Context(), func(st blob.Store, c *catalog.Catalog) error {
			key, err := builder.Restore(cmd.Context(), st, c, *from)
			if err != nil {
				return err
			}
			return a.print(map[string]string{"backup": key}, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "restored from %s\n", key)
				return err
			})
		})
	}
	return c
}

func (a *app) catalogRebuild() *cobra.Command {
	c := &cobra.Command{
		Use: "rebuild", Short: "Fill an empty catalog from the files in the store alone", Args: exactly(),
		Long: "Fills an empty catalog from definitions, staged files, ledger files and manifests. Users, jobs and history are not in files.\nFiles that were not taken are listed with the reason. Where segments are in HBase, give its settings.",
	}
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		return a.offline(cmd.Context(), func(st blob.Store, c *catalog.Catalog) error {
			out, err := a.rebuild(cmd.Context(), st, c)
			if err != nil {
				return err
			}
			for _, x := range out.Warnings {
				fmt.Fprintf(a.stderr, "warning: %s\n", oneLine(x))
			}
			return a.print(out, func(w io.Writer) error {
				for _, x := range out.Ignored {
					fmt.Fprintf(w, "not taken: %s\n", oneLine(x))
				}
				_, err := fmt.Fprintf(w, "rebuilt %d tables with %d ledger rows and %d supplements, %d cubes with %d segments, %d dictionary slices, %d lookup versions; %d files were not taken\n",
					out.Tables, out.Rows, out.Supplements, out.Cubes, out.Segments, out.Slices, out.Lookups, len(out.Ignored))
				return err
			})
		})
	}
	return c
}

// rebuild looks for tables in HBase where one is configured.
func (a *app) rebuild(ctx context.Context, st blob.Store, c *catalog.Catalog) (*builder.Rebuilt, error) {
	cfg, err := a.config()
	if err != nil {
		return nil, err
	}
	h, err := openHBase(cfg, a.logger(cfg), prometheus.NewRegistry())
	if err != nil {
		return nil, err
	}
	if h == nil {
		return builder.Rebuild(ctx, st, nil, c)
	}
	defer h.Close()
	return builder.Rebuild(ctx, st, h, c)
}
