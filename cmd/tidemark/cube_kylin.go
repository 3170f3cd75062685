package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/cube/kylin"
	"github.com/tidemarkdb/tidemark/internal/server"
)

func (a *app) cubeImport() *cobra.Command {
	c := &cobra.Command{
		Use: "import MODEL.json CUBE.json", Short: "Make a cube, or change it, by the descriptors of a Kylin cube", Args: exactly("MODEL.json", "CUBE.json"),
		Long: "Makes a cube out of what Kylin keeps of one: its model and its cube descriptor. The table must be there, under the name of the\n" +
			"model's fact table. What has no place here is listed; what would give other answers is refused with what to do instead.",
		Example: "  curl -u ADMIN:KYLIN http://kylin:7070/kylin/api/model/sales_model > model.json\n" +
			"  curl -u ADMIN:KYLIN http://kylin:7070/kylin/api/cube_desc/sales/desc > cube.json\n  tidemark cube import model.json cube.json",
	}
	dry := c.Flags().Bool("dry-run", false, "check the descriptors and say what would change")
	project := ofProject(c)
	c.RunE = func(cmd *cobra.Command, args []string) (err error) {
		modelText, _, err := a.readFile(args[0])
		if err != nil {
			return err
		}
		cubeText, name, err := a.readFile(args[1])
		if err != nil {
			return err
		}
		desc, model, err := kylin.Parse(cubeText, modelText)
		if err != nil {
			return err
		}
		cl, err := a.connect(cmd.Context(), true)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, cl.close()) }()
		var t server.Table
		if err := cl.do(cmd.Context(), request{method: http.MethodGet, path: tablePath(model.FactTable()), query: queryOf("project", *project)}, &t); err != nil {
			return fmt.Errorf("table of the model: %w", err)
		}
		lookups, err := lookupTables(cmd, cl, t.Project)
		if err != nil {
			return err
		}
		def, notes, err := kylin.Import(desc, model, t.Project, t.Definition, lookups...)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for i := range notes {
			fmt.Fprintf(a.stderr, "note: %v\n", &notes[i])
		}
		var out server.AppliedCube
		q := request{method: http.MethodPut, path: "/cubes", query: queryOf("project", *project, "dry_run", yes(*dry)), body: cube.FormatCube(def)}
		if err := cl.do(cmd.Context(), q, &out); err != nil {
			return err
		}
		return a.printAppliedCube(out)
	}
	return c
}

// lookupTables asks for those of a project.
func lookupTables(cmd *cobra.Command, cl *client, project string) (list []*cube.Lookup, err error) {
	var all server.Lookups
	err = cl.do(cmd.Context(), request{method: http.MethodGet, path: "/lookups", query: queryOf("project", project)}, &all)
	for i := range all.Lookups {
		list = append(list, &all.Lookups[i].Lookup)
	}
	return list, err
}

// exportedCube is what Kylin keeps of a cube.
type exportedCube struct {
	Model kylin.ModelDesc `json:"model"`
	Cube  kylin.CubeDesc  `json:"cube"`
	Notes []string        `json:"notes"` // what they do not say
}

func (a *app) cubeExport() *cobra.Command {
	c := &cobra.Command{
		Use: "export CUBE", Short: "Print the descriptors that Kylin would keep of a cube, as JSON", Args: exactly("CUBE"),
		Long: "Prints an object of model, cube and notes: what the two do not say, since Kylin has no words for it.",
	}
	project := ofProject(c)
	c.RunE = func(cmd *cobra.Command, args []string) (err error) {
		cl, err := a.connect(cmd.Context(), true)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, cl.close()) }()
		var made server.Cube
		q := queryOf("project", *project)
		if err := cl.do(cmd.Context(), request{method: http.MethodGet, path: cubePath(args[0]), query: q}, &made); err != nil {
			return err
		}
		var t server.Table
		if err := cl.do(cmd.Context(), request{method: http.MethodGet, path: tablePath(made.Table), query: queryOf("project", made.Project)}, &t); err != nil {
			return err
		}
		lookups, err := lookupTables(cmd, cl, made.Project)
		if err != nil {
			return err
		}
		desc, model, notes := kylin.Export(made.Definition, t.Definition, lookups...)
		out := exportedCube{Model: model, Cube: desc, Notes: []string{}}
		for i := range notes {
			out.Notes = append(out.Notes, notes[i].Error())
		}
		enc := json.NewEncoder(a.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(out)
	}
	return c
}
