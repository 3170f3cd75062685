package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/tidemarkdb/tidemark/internal/server"
)

func (a *app) tableSample() *cobra.Command {
	c := &cobra.Command{
		Use: "sample TOPIC", Short: "Propose a definition from the newest records of a topic", Args: exactly("TOPIC"),
		Long:    "Reads the newest records of a topic and prints a definition that applies as it is, its choices explained in comments. With --cube the\ndefinition of a cube follows, behind a line ---: columns of few values are its dimensions.",
		Example: "  tidemark table sample clicks --brokers broker-1:9092 > clicks.yaml\n  tidemark table sample clicks -n 10000\n  tidemark table sample clicks --cube | tidemark table apply -f -   make both",
	}
	n := c.Flags().IntP("records", "n", 1000, "how many records to read")
	withCube := c.Flags().Bool("cube", false, "propose a cube as well")
	project := projectFlag(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		var out server.Sample
		q := request{method: http.MethodGet, path: "/sample", query: queryOf("topic", args[0], "n", strconv.Itoa(*n), "project", *project)}
		if err := a.ask(cmd, true, q, &out); err != nil {
			return err
		}
		if !*withCube {
			out.Cube = ""
		}
		err := a.print(out, func(w io.Writer) error { return printSample(w, out) })
		if err == nil && out.Problem != "" {
			err = errors.New(out.Problem)
		}
		return err
	}
	return c
}

func printSample(w io.Writer, out server.Sample) error {
	text := out.Definition
	if out.Cube != "" {
		text += "---\n" + out.Cube
	}
	_, err := io.WriteString(w, text)
	return err
}

func (a *app) applyFile(cmd *cobra.Command, cl *client, file string, query url.Values) error {
	body, name, err := a.readFile(file)
	if err != nil {
		return err
	}
	for _, d := range definitions(body) {
		if ofCube(d) {
			err = a.applyCube(cmd, cl, d, name, query)
		} else {
			err = a.applyTable(cmd, cl, d, name, query)
		}
		if err != nil {
			return err // what follows may need it
		}
	}
	return nil
}

// definitions splits a file at its lines ---. Each part keeps its place: lines before it are empty.
func definitions(body []byte) (parts [][]byte) {
	var before, part []byte
	add := func() {
		if len(bytes.TrimSpace(part)) > 0 {
			parts = append(parts, append(bytes.Clone(before), part...))
		}
	}
	for line := range bytes.Lines(body) {
		if string(bytes.TrimRight(line, " \t\r\n")) != "---" {
			part = append(part, line...)
			continue
		}
		add()
		before = append(before, bytes.Repeat([]byte("\n"), bytes.Count(part, []byte("\n"))+1)...)
		part = nil
	}
	if add(); len(parts) == 0 {
		return [][]byte{body} // the server says what is wrong with it
	}
	return parts
}

// ofCube reports whether the first key of a definition says that it is a cube's.
func ofCube(definition []byte) bool {
	for line := range bytes.Lines(definition) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return bytes.HasPrefix(line, []byte("cube:"))
		}
	}
	return false
}

// define sends a definition; where it is refused, what is wrong is told with the name of its file.
func (a *app) define(cmd *cobra.Command, cl *client, r request, name string, out any) error {
	err := cl.do(cmd.Context(), r, out)
	var refused *server.Error
	if errors.As(err, &refused) && len(refused.Problems) > 0 && !a.json() {
		return named(refused, name)
	}
	return err
}

func (a *app) applyTable(cmd *cobra.Command, cl *client, body []byte, name string, query url.Values) error {
	var out server.Applied
	if err := a.define(cmd, cl, request{method: http.MethodPut, path: "/tables", query: query, body: body}, name, &out); err != nil {
		return err
	}
	return a.print(out, func(w io.Writer) error {
		would := ""
		if out.DryRun {
			would = " (dry run: nothing was done)"
		}
		if _, err := fmt.Fprintf(w, "table %s/%s %s, version %d%s\n", out.Project, out.Table, out.Outcome, out.Version, would); err != nil {
			return err
		}
		for _, c := range out.Changes {
			fmt.Fprintf(w, "  %s\n", c)
		}
		return nil
	})
}
