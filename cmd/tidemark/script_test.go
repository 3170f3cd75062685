package main

import (
	"errors"
	"fmt"
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
			return errors.Join(err, boundProgram(e))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"taken":     takenPort,
			"waitfor":   waitFor,
			"waitnodes": waitNodes,
		},
	})
}

// scriptWait is how long a script waits for something: far longer than it takes, and less than the test may take, which would not say for what.
const scriptWait = time.Minute

// until returns when something is so.
func until(ts *testscript.TestScript, what string, is func() bool) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(scriptWait); !is(); {
		if at := <-tick.C; at.After(limit) {
			ts.Fatalf("not within %v: %s", scriptWait, what)
		}
	}
}

// waitFor returns when a file exists.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitfor file")
	}
	until(ts, args[0]+" is there", func() bool {
		_, err := os.Stat(ts.MkAbs(args[0]))
		return err == nil
	})
}

// waitNodes returns when the process that holds a data folder has said which roles it has: that is shortly after it answers.
func waitNodes(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: waitnodes folder roles")
	}
	until(ts, fmt.Sprintf("tidemark nodes --data %s lists one with roles %s", args[0], args[1]), func() bool {
		ts.Check(ts.Exec("tidemark", "nodes", "--data", args[0]))
		return strings.Contains(ts.ReadFile("stdout"), " "+args[1]+" ")
	})
}

// boundProgram gives scripts the program bound: it runs a command as one whom the rights of files bind, as root without what lets root
// pass them by.
func boundProgram(e *testscript.Env) error {
	dir, as := filepath.Join(e.WorkDir, ".bound"), ""
	if os.Getuid() == 0 {
		as = "setpriv --inh-caps=-all --bounding-set=-all "
	}
	e.Setenv("PATH", dir+string(os.PathListSeparator)+e.Getenv("PATH"))
	return errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(filepath.Join(dir, "bound"), []byte("#!/bin/sh\nexec "+as+"\"$@\"\n"), 0o755))
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
