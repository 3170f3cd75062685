package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tidemarkdb/tidemark/internal/auth"
)

func (a *app) userCommand() *cobra.Command {
	c := group("user", "Say who may ask tidemark, and give out tokens")
	c.Long = `Writes the file of users that --auth-file names. A tidemark that runs with it takes up changes when it gets SIGHUP. The file holds hashes,
neither passwords nor tokens; whoever reads it can still try passwords at leisure.`
	c.Example = `  tidemark user add ann --auth-file users.yaml           asks for the password
  tidemark user token ann --auth-file users.yaml --name ci --expires 720h
  tidemark serve --auth-file users.yaml --http 0.0.0.0:7070 --tls-cert cert.pem --tls-key key.pem`
	c.AddCommand(a.userAdd(), a.userList(), a.userRemove(), a.userToken())
	return c
}

// usersFile is the file that a command is about.
func (a *app) usersFile() (string, error) {
	cfg, err := a.own("users are in a file on this machine")
	if err != nil {
		return "", err
	}
	if cfg.Auth.File == "" {
		return "", usage("which file of users? name it with --auth-file FILE")
	}
	return cfg.Auth.File, nil
}

// userDone is what became of a user.
type userDone struct {
	User  string `json:"user"`
	State string `json:"state"`
	File  string `json:"file"`
}

func (a *app) userDone(name, state, file string) error {
	return a.print(userDone{name, state, file}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "user %s is %s in %s; a running tidemark takes it up when it gets SIGHUP\n", name, state, file)
		return err
	})
}

func (a *app) userAdd() *cobra.Command {
	c := &cobra.Command{
		Use: "add NAME", Short: "Add a user, or give one another password", Args: exactly("NAME"),
		Long: `Asks for a password twice, or takes the first line of standard input with --password-stdin. A password has at least 8 characters.`,
		Example: `  tidemark user add ann --auth-file users.yaml
  pass show tidemark/ann | tidemark user add ann --auth-file users.yaml --password-stdin`,
	}
	stdin := c.Flags().Bool("password-stdin", false, "read the password from standard input")
	again := c.Flags().Bool("replace", false, "give a user who is there another password; he keeps his tokens")
	c.RunE = func(_ *cobra.Command, args []string) error {
		file, err := a.usersFile()
		if err != nil {
			return err
		}
		password, err := a.newPassword(args[0], *stdin)
		if err != nil {
			return err
		}
		if err := auth.Edit(file, func(f *auth.File) error { return f.Add(args[0], password, *again) }); err != nil {
			return err
		}
		return a.userDone(args[0], "written", file)
	}
	return c
}

// newPassword reads a password: from standard input, or from a terminal, which shows nothing of it.
func (a *app) newPassword(user string, stdin bool) (string, error) {
	if stdin {
		text, err := io.ReadAll(io.LimitReader(a.stdin, 64<<10))
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		line, _, _ := strings.Cut(string(text), "\n")
		return strings.TrimSuffix(line, "\r"), nil
	}
	if !a.typed() {
		return "", usage("standard input is no terminal to ask for a password: pipe one in with --password-stdin")
	}
	tty := a.stdin.(*os.File)
	state, err := term.GetState(int(tty.Fd()))
	if err != nil {
		return "", err
	}
	// Ctrl-C must not leave a terminal that shows nothing.
	a.diverted(func() {
		_ = term.Restore(int(tty.Fd()), state) // the process ends either way
		a.exit(exitInterrupted)
	})
	defer a.diverted(nil)
	ask := func(question string) ([]byte, error) {
		fmt.Fprint(a.stderr, question)
		defer fmt.Fprintln(a.stderr)
		return term.ReadPassword(int(tty.Fd()))
	}
	first, err := ask("Password of " + user + ": ")
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	second, err := ask("Again: ")
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	if !bytes.Equal(first, second) {
		return "", errors.New("the two passwords differ: nothing was changed")
	}
	return string(first), nil
}

func (a *app) userRemove() *cobra.Command {
	c := &cobra.Command{Use: "remove NAME", Short: "Remove a user with his tokens", Args: exactly("NAME"), Example: "  tidemark user remove ann --auth-file users.yaml"}
	c.RunE = func(_ *cobra.Command, args []string) error {
		file, err := a.usersFile()
		if err != nil {
			return err
		}
		if err := auth.Edit(file, func(f *auth.File) error { return f.Remove(args[0]) }); err != nil {
			return err
		}
		return a.userDone(args[0], "removed", file)
	}
	return c
}

// listedUser is a user without what proves him.
type listedUser struct {
	User   string        `json:"user"`
	Tokens []listedToken `json:"tokens"`
}

type listedToken struct {
	Name    string     `json:"name"`
	Expires *time.Time `json:"expires,omitempty"`
	Expired bool       `json:"expired,omitempty"`
}

func (a *app) userList() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List users and their tokens", Args: exactly(), Example: "  tidemark user list --auth-file users.yaml"}
	c.RunE = func(*cobra.Command, []string) error {
		file, err := a.usersFile()
		if err != nil {
			return err
		}
		f, err := auth.Read(file)
		if err != nil {
			return err
		}
		list := []listedUser{}
		for _, u := range f.Users {
			x := listedUser{User: u.Name, Tokens: []listedToken{}}
			for _, t := range u.Tokens {
				l := listedToken{Name: t.Name}
				if !t.Expires.IsZero() {
					l.Expires, l.Expired = &t.Expires, !time.Now().Before(t.Expires)
				}
				x.Tokens = append(x.Tokens, l)
			}
			list = append(list, x)
		}
		return a.print(map[string]any{"users": list}, func(w io.Writer) error { return printUsers(w, list) })
	}
	return c
}

func printUsers(w io.Writer, list []listedUser) error {
	return table(w, "USER TOKENS", func(row func(...any)) {
		for _, u := range list {
			var tokens []string
			for _, t := range u.Tokens {
				text := t.Name
				switch {
				case t.Expired:
					text += " (expired)"
				case t.Expires != nil:
					text += " (until " + t.Expires.UTC().Format(time.RFC3339) + ")"
				}
				tokens = append(tokens, text)
			}
			row(u.User, cmp.Or(strings.Join(tokens, ", "), "-"))
		}
	})
}

// tokenDone is a new token: it is shown once.
type tokenDone struct {
	User    string     `json:"user"`
	Name    string     `json:"name"`
	Token   string     `json:"token"`
	Expires *time.Time `json:"expires,omitempty"`
}

func (a *app) userToken() *cobra.Command {
	c := &cobra.Command{
		Use: "token NAME", Short: "Make a bearer token of a user and print it, or take one away", Args: exactly("NAME"),
		Long: "Prints a token alone on standard output. It is shown once: the file keeps only its hash.",
		Example: `  tidemark user token ann --auth-file users.yaml --name grafana
  tidemark user token ann --auth-file users.yaml --name ci --expires 720h > token
  tidemark user token ann --auth-file users.yaml --remove ci`,
	}
	name := c.Flags().String("name", "default", "what the token is called, to tell it from others of the user")
	life := c.Flags().Duration("expires", 0, "how long it is good for, as in 720h (default: for ever)")
	remove := c.Flags().String("remove", "", "take the token of this `NAME` away")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		file, err := a.usersFile()
		if err != nil {
			return err
		}
		if *remove != "" {
			if cmd.Flags().Changed("name") || cmd.Flags().Changed("expires") {
				return usage("--remove NAME takes a token away: give neither --name nor --expires with it")
			}
			if err := auth.Edit(file, func(f *auth.File) error { return f.RemoveToken(args[0], *remove) }); err != nil {
				return err
			}
			return a.userDone(args[0], "without token "+*remove, file)
		}
		if *life < 0 {
			return usage("--expires %s is below 0: want a time as in 720h", *life)
		}
		return a.newToken(file, args[0], *name, *life)
	}
	return c
}

func (a *app) newToken(file, user, name string, life time.Duration) error {
	out := tokenDone{User: user, Name: name}
	var expires time.Time
	if life > 0 {
		expires = time.Now().Add(life).UTC().Truncate(time.Second)
		out.Expires = &expires
	}
	if err := auth.Edit(file, func(f *auth.File) (err error) {
		out.Token, err = f.AddToken(user, name, expires)
		return err
	}); err != nil {
		return err
	}
	return a.print(out, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, out.Token)
		return err
	})
}
