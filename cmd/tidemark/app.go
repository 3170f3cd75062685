package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"

	"golang.org/x/term"

	"github.com/tidemarkdb/tidemark/internal/config"
	"github.com/tidemarkdb/tidemark/internal/server"
)

// app is one run of the program.
type app struct {
	adjust func(*config.Config) // what a command has as defaults of its own; nil: none
	serves bool                 // the settings are those of tidemark serve
	process
	console    *console // standard error
	output     string   // text or json
	configFile string
	settings   map[string]*string // values of the settings' flags by their name
	given      func() map[string]string
	level      slog.LevelVar          // of the log
	limit      atomic.Int64           // nanoseconds a clean stop may take; 0: the default
	interrupts atomic.Pointer[func()] // what Ctrl-C does; nil: it stops the process
}

// usageError is a wrong use of the program (X2).
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usage(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// report prints an error and returns the exit code.
func (a *app) report(err error) int {
	if err == nil {
		return 0
	}
	code := 1
	var wrong *usageError
	var refused *server.Error
	var own *exitError
	switch {
	case errors.As(err, &own):
		code = own.code
	case errors.As(err, &wrong):
		code = 2
	case errors.As(err, &refused) && refused.Code == "bad_request":
		code = 2
	}
	if a.output == "json" {
		if refused == nil {
			refused = &server.Error{Code: "failed", Message: err.Error()}
			if code == 2 {
				refused.Code = "usage"
			}
		}
		if b, jerr := json.Marshal(server.ErrorBody{Error: refused}); jerr == nil {
			fmt.Fprintf(a.stderr, "%s\n", b)
			return code
		}
	}
	fmt.Fprintf(a.stderr, "tidemark: %s\n", strings.TrimSpace(err.Error()))
	return code
}

// config returns the settings in force. What is wrong with them is wrong use.
func (a *app) config() (*config.Config, error) {
	c, err := config.Load(config.Input{Flags: a.given(), Env: a.env, File: a.configFile, Roles: a.serves})
	if err != nil {
		return nil, &usageError{err}
	}
	if a.adjust != nil {
		a.adjust(c)
	}
	a.limit.Store(int64(c.ShutdownTimeout))
	return c, nil
}

// target returns the settings of a command that asks a running tidemark: the one that holds --data or the one of --server.
func (a *app) target() (*config.Config, error) {
	c, err := a.config()
	if err != nil {
		return nil, err
	}
	if data, given := a.given()["data"]; given && c.Server != "" {
		return nil, usage("--data %s is one tidemark and %s %s another: a command asks the one that holds a folder or the one at an address, so leave out one", data, c.Source("server"), c.Server)
	}
	return c, nil
}

// own returns the settings of a command that works in this process and asks no other.
func (a *app) own(what string) (*config.Config, error) {
	if _, given := a.given()["server"]; given {
		return nil, usage("--server is for commands that ask a running tidemark, and %s: leave it out", what)
	}
	return a.config()
}

func (a *app) logger(c *config.Config) *slog.Logger {
	a.level.Set(c.Log.Level)
	o := &slog.HandlerOptions{Level: &a.level}
	if c.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(a.stderr, o))
	}
	return slog.New(slog.NewTextHandler(a.stderr, o))
}

// json reports whether answers are wanted in JSON.
func (a *app) json() bool { return a.output == "json" }

// print writes an answer: v as JSON, or what text writes (X3).
func (a *app) print(v any, text func(w io.Writer) error) error {
	if !a.json() {
		return text(a.stdout)
	}
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s\n", b)
	return err
}

// terminal reports whether w is a terminal, on which a line may be written over.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
