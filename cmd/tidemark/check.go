package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/config"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// checkLimit is how long each part may take to answer.
const checkLimit = 10 * time.Second

type checked struct {
	Part   string `json:"part"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

type checkDone struct {
	Settings map[string]string `json:"settings"`
	Checks   []checked         `json:"checks"`
}

func (a *app) checkCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "check", Short: "Talk to Kafka, the store and the catalog with the settings in force", Args: exactly(),
		Example: "  tidemark check\n  tidemark check --settings",
	}
	settings := c.Flags().Bool("settings", false, "print the settings in force first, and where each came from")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		a.serves = true
		cfg, err := a.own("check talks to Kafka, the store and the catalog itself, from this machine with its settings")
		if err != nil {
			return err
		}
		out := checkDone{Settings: cfg.Values()}
		out.Checks = ask(cmd.Context(), cfg)
		bad := 0
		for _, c := range out.Checks {
			if !c.OK {
				bad++
			}
		}
		if err := a.print(out, func(w io.Writer) error {
			if *settings {
				if err := cfg.Dump(w); err != nil {
					return err
				}
				fmt.Fprintln(w)
			}
			return printCheck(w, out)
		}); err != nil {
			return err
		}
		if bad > 0 {
			return fmt.Errorf("check: %d of %d parts do not answer as they should", bad, len(out.Checks))
		}
		return nil
	}
	return c
}

// check asks one part.
type check struct {
	part string
	ask  func(context.Context, *config.Config) (string, error)
}

// checks are those of the parts that are configured.
func checks(cfg *config.Config) []check {
	list := []check{{"kafka", checkKafka}, {"store", checkStore}, {"catalog", checkCatalog}}
	if cfg.HBase.Quorum != "" {
		list = append(list, check{"hbase", checkHBase})
	}
	return list
}

// ask asks all parts at once, so that one that does not answer holds up no other.
func ask(ctx context.Context, cfg *config.Config) []checked {
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	list := checks(cfg)
	out := make([]checked, len(list))
	var wg sync.WaitGroup
	for i, c := range list {
		wg.Go(func() {
			detail, err := c.ask(ctx, cfg)
			if err != nil {
				detail = err.Error()
			}
			out[i] = checked{c.part, err == nil, detail}
		})
	}
	wg.Wait()
	return out
}

func printCheck(w io.Writer, out checkDone) error {
	for _, c := range out.Checks {
		verdict := "ok "
		if !c.OK {
			verdict = "BAD"
		}
		if _, err := fmt.Fprintf(w, "%s %s: %s\n", verdict, c.Part, strings.ReplaceAll(c.Detail, "\n", "; ")); err != nil {
			return err
		}
	}
	return nil
}

// checkKafka asks for what reading needs: the topics of all, and the group that shares partitions out.
func checkKafka(ctx context.Context, cfg *config.Config) (string, error) {
	opts, err := cfg.Kafka.Opts()
	if err != nil {
		return "", err
	}
	cl, err := kgo.NewClient(append(opts, kgo.RetryTimeout(cfg.Kafka.DialTimeout))...)
	if err != nil {
		return "", err
	}
	defer cl.Close()
	at := strings.Join(cfg.Kafka.Brokers, ",") + kafkaUser(cfg)
	if err := cl.Ping(ctx); err != nil {
		return "", fmt.Errorf("%s: %w", at, err)
	}
	adm := kadm.NewClient(cl)
	md, err := adm.Metadata(ctx)
	if err != nil {
		return "", fmt.Errorf("%s: %w", at, err)
	}
	if group := cfg.Ingest.Group; group != "" {
		found, err := adm.DescribeGroups(ctx, group)
		if err == nil {
			err = found.Error()
		}
		if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // Kafka 4 says so of one that nobody has joined yet
			return "", fmt.Errorf("%s: group %s: %w: grant READ on it", at, group, err)
		}
	}
	if len(md.Topics) == 0 {
		return fmt.Sprintf("%s: %d brokers, no topics that this user may see: there are none, or DESCRIBE and READ must be granted", at, len(md.Brokers)), nil
	}
	return fmt.Sprintf("%s: %d brokers, %d topics that this user may see", at, len(md.Brokers), len(md.Topics)), nil
}

// kafkaUser says with which credentials the brokers are asked.
func kafkaUser(cfg *config.Config) string {
	switch {
	case cfg.Kafka.SASL.Mechanism != "":
		return " as " + cfg.Kafka.SASL.User + " by " + cfg.Kafka.SASL.Mechanism
	case cfg.Kafka.TLS.Cert != "":
		return " by certificate"
	}
	return " without a user"
}

func checkStore(ctx context.Context, cfg *config.Config) (string, error) {
	url := cfg.StoreURL()
	if cfg.Store == "" && !exists(url) {
		return writable(cfg.Data)
	}
	st, err := blob.OpenStore(ctx, url, blob.Options{})
	if err != nil {
		return "", err
	}
	may, can := rights(cfg.Roles), "written and read"
	owner, err := blob.ReadClaim(ctx, st)
	fresh := errors.Is(err, blob.ErrNotFound)
	if err != nil && !fresh {
		return "", err
	}
	if fresh && may == blob.Writes {
		may = blob.Reads // nothing is there yet that could be tried on without being removed again
	}
	if may == blob.Reads {
		can = "read"
	}
	if err := blob.Check(ctx, st, may); err != nil {
		return "", err
	}
	if fresh {
		return fmt.Sprintf("%s can be %s, and is new", url, can), nil
	}
	return fmt.Sprintf("%s can be %s, and belongs to catalog %s", url, can, owner), nil
}

func checkCatalog(ctx context.Context, cfg *config.Config) (string, error) {
	if cfg.Catalog == "" && !exists(cfg.CatalogDSN()) {
		return writable(cfg.Data)
	}
	c, err := catalog.Open(ctx, cfg.CatalogDSN(), catalog.Options{})
	if err != nil {
		return "", err
	}
	tables, err := c.Tables(ctx, "")
	if err = errors.Join(err, c.Close()); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s answers: catalog %s, %d tables", cmp.Or(cfg.Values()["catalog"], cfg.CatalogDSN()), c.ID(), len(tables)), nil
}

// writable answers for what the first start will make: it looks at the folder, or at the one above it, and makes nothing.
func writable(dir string) (string, error) {
	at := dir
	for !exists(at) && at != "." && at != "/" {
		at = filepath.Dir(at)
	}
	info, err := os.Stat(at)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", fmt.Errorf("%s is not a folder", at)
	}
	f, err := os.CreateTemp(at, ".tidemark-check-*")
	if err != nil {
		return "", err
	}
	if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
		return "", err
	}
	return "will be made in " + dir + " by the first start", nil
}
