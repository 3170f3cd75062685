package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tidemark": main})
}

// The program, as people use it: scripts that run the binary and need no server.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			// What the machine has set must not reach the program.
			for _, kv := range os.Environ() {
				if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "TIDEMARK_") {
					e.Setenv(name, "")
				}
			}
			root, err := filepath.Abs("../..")
			e.Setenv("REPO", root) // golden files of formats
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"bound":     bound,
			"taken":     takenPort,
			"waitfor":   waitFor,
			"waitnodes": waitNodes,
		},
	})
}

// waitFor returns when a file exists. The script's own limit is the test's.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitfor file")
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
	}
}

// waitNodes returns when the process that holds a data folder has said which roles it has: that is shortly after it answers.
func waitNodes(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: waitnodes folder roles")
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		ts.Check(ts.Exec("tidemark", "nodes", "--data", args[0]))
		if strings.Contains(ts.ReadFile("stdout"), " "+args[1]+" ") {
			return
		}
	}
}

// bound runs a command as one whom the rights of files bind: as root, without what lets root pass them by.
func bound(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: [!] bound command [args...]")
	}
	if os.Getuid() == 0 {
		args = append([]string{"setpriv", "--inh-caps=-all", "--bounding-set=-all"}, args...)
	}
	if err := ts.Exec(args[0], args[1:]...); (err != nil) != neg {
		ts.Fatalf("%v: %v", args, err)
	}
}

// takenPort sets the variable $TAKEN to an address that another listener holds until the script ends.
func takenPort(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: taken")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { ts.Check(ln.Close()) })
	ts.Setenv("TAKEN", ln.Addr().String())
}
