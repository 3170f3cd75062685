package hbase

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/tsuna/gohbase"
	"github.com/tsuna/gohbase/hrpc"
)

// family is the one column family. The columns in it are numbered: long values lie in several.
const family = "c"

// scanRows is how many rows the server sends at once, within the bytes that it allows itself.
const scanRows = 4096

// metaTable has a row for each region, whose key begins with the table's name and a comma, and one for each table.
const metaTable = "hbase:meta"

// cluster is the server behind gohbase. That client tries again for ever, so no call goes without the context's deadline.
type cluster struct {
	admin   gohbase.AdminClient // it cannot be closed, so there is one
	clients *clients
	puts    int // at once
}

func newCluster(o Options) *cluster {
	quiet()
	opts := []gohbase.Option{
		gohbase.ZookeeperRoot(o.Root), gohbase.ZookeeperTimeout(o.Timeout), gohbase.RegionLookupTimeout(o.Timeout),
		gohbase.RegionReadTimeout(o.Timeout), gohbase.RpcQueueSize(256), gohbase.FlushInterval(5 * time.Millisecond),
	}
	return &cluster{
		admin: gohbase.NewAdminClient(o.Quorum, opts...), puts: o.Puts,
		clients: newClients(func() gohbase.Client { return gohbase.NewClient(o.Quorum, opts...) }),
	}
}

// quiet keeps the client's own logger from writing, and from ending the process where a server says what it does not expect:
// the goroutine ends, and who waits for it has a deadline.
func quiet() {
	l := logrus.StandardLogger()
	l.SetOutput(io.Discard)
	l.SetLevel(logrus.FatalLevel)
	l.ExitFunc = func(int) { runtime.Goexit() }
}

func (c *cluster) create(ctx context.Context, table string, splits [][]byte) error {
	attrs := map[string]string{"VERSIONS": "1", "DATA_BLOCK_ENCODING": "FAST_DIFF", "BLOOMFILTER": "NONE"}
	t := hrpc.NewCreateTable(ctx, []byte(table), map[string]map[string]string{family: attrs}, hrpc.SplitKeys(splits))
	return known(c.admin.CreateTable(t))
}

// known turns what the server says of a table into our errors.
func known(err error) error {
	if err == nil {
		return nil
	}
	for _, k := range []struct {
		class string
		err   error
	}{
		{"TableExistsException", errExists},
		{"TableNotFoundException", errNotFound},
		{"TableNotDisabledException", errState},
		{"TableNotEnabledException", errState},
		{"procedure not found", errProcedure},
	} {
		if strings.Contains(err.Error(), k.class) {
			return k.err
		}
	}
	if errors.Is(err, gohbase.TableNotFound) {
		return errNotFound
	}
	return err
}

// errProcedure is what a master says that was started after it took on the change: another try tells.
var errProcedure = errors.New("the master does not know the change any more")

func (c *cluster) put(ctx context.Context, table string, rows []row) (rest []row, last error) {
	client, done := c.clients.use()
	defer done()
	name := []byte(table)
	jobs := make(chan row)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range min(c.puts, len(rows)) {
		wg.Go(func() {
			for r := range jobs {
				if err := putOne(ctx, client, name, r); err != nil {
					mu.Lock()
					rest, last = append(rest, r), err
					mu.Unlock()
				}
			}
		})
	}
	for _, r := range rows {
		jobs <- r
	}
	close(jobs)
	wg.Wait()
	return rest, known(last)
}

func putOne(ctx context.Context, client gohbase.Client, table []byte, r row) error {
	columns := map[string][]byte{}
	for i := 0; i == 0 || i*pieceBytes < len(r.value); i++ {
		columns[string([]byte{byte(i)})] = r.value[i*pieceBytes : min((i+1)*pieceBytes, len(r.value))]
	}
	p, err := hrpc.NewPut(ctx, table, r.key, map[string]map[string][]byte{family: columns})
	if err != nil {
		return err
	}
	_, err = client.Put(p)
	return err
}

func (c *cluster) scan(ctx context.Context, table string, from, to []byte, take func(r row) error) error {
	s, err := hrpc.NewScanRange(ctx, []byte(table), from, to, hrpc.NumberOfRows(scanRows), hrpc.CacheBlocks(false))
	if err != nil {
		return err
	}
	client, done := c.clients.use()
	defer done()
	return known(each(client.Scan(s), take))
}

func each(s hrpc.Scanner, take func(r row) error) error {
	defer s.Close() // of a scan that has ended; the server forgets others by itself
	for {
		res, err := s.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(res.Cells) == 0 {
			continue
		}
		r := row{key: res.Cells[0].Row, value: res.Cells[0].Value}
		if len(res.Cells) > 1 {
			r.value = bytes.Clone(r.value)
			for _, cell := range res.Cells[1:] {
				r.value = append(r.value, cell.Value...)
			}
		}
		if err := take(r); err != nil {
			return err
		}
	}
}

func (c *cluster) alter(ctx context.Context, table string, what change) error {
	switch what {
	case disable:
		return known(c.admin.DisableTable(hrpc.NewDisableTable(ctx, []byte(table))))
	case enable:
		return known(c.admin.EnableTable(hrpc.NewEnableTable(ctx, []byte(table))))
	case remove:
		return known(c.admin.DeleteTable(hrpc.NewDeleteTable(ctx, []byte(table))))
	}
	return fmt.Errorf("no change %d of a table", what)
}

func (c *cluster) tables(ctx context.Context, prefix string) (map[string]tableState, error) {
	out := map[string]tableState{}
	end := []byte(prefix)
	end[len(end)-1]++
	scan, err := hrpc.NewScanRange(ctx, []byte(metaTable), []byte(prefix), end, hrpc.NumberOfRows(scanRows),
		hrpc.Families(map[string][]string{"info": {"regioninfo"}, "table": {"state"}}))
	if err != nil {
		return nil, err
	}
	client, done := c.clients.use()
	defer done()
	s := client.Scan(scan)
	defer s.Close()
	for {
		res, err := s.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, known(err)
		}
		for _, cell := range res.Cells {
			name, _, _ := strings.Cut(string(cell.Row), ",")
			t := out[name]
			if string(cell.Family) == "table" {
				t.disabled = stateOf(cell.Value) != tableEnabled
			} else {
				t.regions++
			}
			out[name] = t
		}
	}
}

// tableEnabled is the state of a table that is served, of the enumeration that is the first field of HBase's TableState.
const tableEnabled = 0

func stateOf(b []byte) int {
	if len(b) < 2 || b[0] != 0x08 {
		return tableEnabled
	}
	return int(b[1])
}
