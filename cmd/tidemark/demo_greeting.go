package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// What a person is told to try. All of it is answered from the cube, and each answer counts every event once.
const (
	tryCurl  = `SELECT count(*) AS views, sum(bytes) AS bytes, max(latency_ms) AS slowest_ms FROM ` + demoTable
	tryPsql  = `SELECT section, count(*) AS views, avg(latency_ms) AS ms FROM ` + demoTable + ` GROUP BY 1 ORDER BY 2 DESC`
	tryQuery = `SELECT device_type, os, count(*) AS views FROM ` + demoTable + ` GROUP BY 1, 2 ORDER BY 3 DESC`
)

// greet says where everything is and what to try, as lines to paste.
func (d *demoRun) greet(at ports) {
	where, cfg := "a broker in this process", d.n.cfg
	if d.broker == nil {
		how := "was there already"
		if d.found.Made {
			how = "was made"
		}
		where = fmt.Sprintf("topic %s of %s (it %s, %d partitions)", d.o.topic, d.brokers(), how, d.found.Partitions)
	}
	self, data := invoked(d.a.name), shellWord(cfg.Data)
	curl, user := "curl -s", ""
	if d.n.access.gate != nil {
		curl, user = curl+" -u NAME", "NAME@"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "tidemark demo: %s page views a second to %s, from there to table %s and its cube %s\n", countText(d.o.rate), where, demoTable, demoCube)
	fmt.Fprintf(&b, "  HTTP   %s%s/api/v1\n  SQL    %s\n  files  %s\n", d.n.access.scheme(), at.http.Addr(), at.pgAddress(), cfg.StoreURL())
	b.WriteString("Try, in another terminal:\n")
	fmt.Fprintf(&b, "  %s -H 'Accept: text/csv' %s%s/api/v1/query -d '{\"sql\": \"%s\"}'\n", curl, d.n.access.scheme(), at.http.Addr(), tryCurl)
	if at.pg != nil {
		fmt.Fprintf(&b, "  psql postgres://%s%s/default -c \"%s\"\n", user, at.pg.Addr(), tryPsql)
	}
	fmt.Fprintf(&b, "  %s query --data %s \"%s\"\n", self, data, tryQuery)
	fmt.Fprintf(&b, "More: %s verify --against-kafka --data %s; likewise segment list %s, table offsets %s, quarantine list %s\n\n", self, data, demoCube, demoTable, demoTable)
	fmt.Fprint(d.a.stderr, b.String())
}

// invoked is what a person types to start the program, which was started by a name.
func invoked(name string) string {
	if name == "" {
		return "tidemark"
	}
	// Where go run keeps what it has compiled: in a folder of its own, or in its cache, whose folders end in -d.
	compiled := strings.Contains(name, "/go-build") || regexp.MustCompile(`/[0-9a-f]{2}/[0-9a-f]{64}-d/`).MatchString(name)
	if compiled && isDir(filepath.Join("cmd", "tidemark")) {
		return "go run ./cmd/tidemark"
	}
	return shellWord(name)
}

func isDir(path string) bool {
	i, err := os.Stat(path)
	return err == nil && i.IsDir()
}
