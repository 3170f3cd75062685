package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tidemarkdb/tidemark/internal/config"
)

const rootHelp = `Tidemark reads JSON events from Kafka or Redpanda into Parquet files, each offset exactly once, and proves it.

Try it, with nothing else installed:
  tidemark demo

Ask what was read, in another terminal:
  tidemark query --data tidemark-demo          a prompt; or with a SELECT, and -o csv, json, parquet

Read a topic of your own:
  tidemark table sample clicks --brokers broker-1:9092 > clicks.yaml   propose a definition
  tidemark table apply -f clicks.yaml                                  store it
  tidemark serve --brokers broker-1:9092                               read for ever
  tidemark ingest --until-end --brokers broker-1:9092                  or read what is there, and stop
  tidemark verify --against-kafka --brokers broker-1:9092              prove that nothing is missing or doubled

A command talks to the tidemark that runs on the same data folder (--data), or to --server; when none runs it does the
work itself. Every setting is a flag, a TIDEMARK_* variable or a key of --config FILE: see tidemark help settings.`

// root builds the tree of commands.
func (a *app) root() *cobra.Command {
	root := group("tidemark", "Kafka events to columnar files, exactly once, with proof")
	root.Long = rootHelp
	root.AddCommand(
		a.demoCommand(), a.serveCommand(), a.ingestCommand(),
		a.tableCommand(), a.lookupCommand(), a.cubeCommand(), a.segmentCommand(), a.jobCommand(), a.taskCommand(), a.quarantineCommand(), a.sourcesCommand(), a.verifyCommand(), a.queryCommand(), a.explainCommand(), a.statementsCommand(), a.inspectCommand(), a.gcCommand(), a.nodesCommand(),
		a.catalogCommand(), a.userCommand(), a.configCommand(), a.doctorCommand(), a.checkCommand(), a.readyCommand(), a.versionCommand(), settingsTopic(),
	)
	root.PersistentFlags().StringVarP(&a.output, "output", "o", "text", "text or json")
	root.PersistentFlags().StringVar(&a.configFile, "config", "", "YAML file of settings (default: $TIDEMARK_CONFIG)")
	a.bindSettings(root.PersistentFlags())
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		possible := cmp.Or(cmd.Annotations[outputs], "text or json")
		if !slices.Contains(strings.FieldsFunc(possible, func(r rune) bool { return r == ' ' || r == ',' }), a.output) || a.output == "or" {
			wrong := a.output
			a.output = "text"
			return usage("--output %q is not possible: want %s", wrong, possible)
		}
		return nil
	}
	root.SetArgs(a.args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(flagError)
	root.SetUsageTemplate(usageTemplate)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.InitDefaultHelpCmd()
	return root
}

// bindSettings makes a flag of every setting (C1 of config). Its text is kept as given: config reads and checks it.
func (a *app) bindSettings(fs *pflag.FlagSet) {
	a.settings = map[string]*string{}
	for _, s := range config.Settings() {
		if s.Flag == "" {
			continue
		}
		usage := s.Usage
		if s.Value != "" {
			usage = "`" + s.Value + "` " + usage
		}
		a.settings[s.Flag] = fs.String(s.Flag, s.Default, usage)
		if s.Value == "" {
			fs.Lookup(s.Flag).NoOptDefVal = "true"
		}
		// Help shows the settings in one place, not below each command.
		fs.Lookup(s.Flag).Hidden = true
	}
	a.given = func() map[string]string {
		given := map[string]string{}
		// Not Visit: a flag that a command has parsed is marked, but not known to the set it was inherited from.
		fs.VisitAll(func(f *pflag.Flag) {
			if v, ok := a.settings[f.Name]; ok && f.Changed {
				given[f.Name] = *v
			}
		})
		return given
	}
}

// group makes a command that only holds others.
func group(use, short string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			var names []string
			for _, c := range cmd.Commands() {
				names = append(names, c.Name())
			}
			return usage("there is no command %q%s\nsee %s --help", strings.TrimSpace(cmd.CommandPath()+" "+args[0]),
				config.Suggest(args[0], names), cmd.CommandPath())
		},
		Args: cobra.ArbitraryArgs,
	}
}

// exactly wants n arguments, which it names.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		want := "no argument"
		if len(names) > 0 {
			want = strings.Join(names, " ")
		}
		return usage("%s wants %s, got %d: %s", cmd.CommandPath(), want, len(args), cmd.UseLine())
	}
}

// keyFlag adds --idempotency-key to a command that creates something.
func keyFlag(c *cobra.Command) *string {
	return c.Flags().String("idempotency-key", "", "the same request under the same `KEY` is done once and answered as the first time")
}

func flagError(cmd *cobra.Command, err error) error {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "unknown flag: --"); ok {
		var names []string
		add := func(f *pflag.Flag) { names = append(names, "--"+f.Name) }
		cmd.Flags().VisitAll(add)
		cmd.InheritedFlags().VisitAll(add)
		text += config.Suggest("--"+name, names)
	}
	return usage("%s\nsee %s --help", text, cmd.CommandPath())
}

func settingsTopic() *cobra.Command {
	c := &cobra.Command{
		Use: "settings", Short: "All settings: flags, variables and keys of the configuration file", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return printSettings(cmd.OutOrStdout()) },
	}
	c.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		if err := printSettings(cmd.OutOrStdout()); err != nil {
			cmd.PrintErrln(err)
		}
	})
	return c
}

func printSettings(w io.Writer) error {
	fmt.Fprint(w, "A setting comes from its flag, else its variable, else the YAML file of --config, else it has its default.\n"+
		"A dot in a key is a level of the file:\n\n  kafka:\n    brokers: [broker-1:9092, broker-2:9092]\n    sasl: {mechanism: SCRAM-SHA-256, user: tidemark, password_file: /run/secrets/kafka}\n\n"+
		"tidemark check prints what is in force.\n")
	for _, s := range config.Settings() {
		def := ""
		if s.Default != "" && s.Default != "false" {
			def = " (default " + s.Default + ")"
		}
		name := "--" + s.Flag + " " + s.Value
		if s.Flag == "" {
			name = s.Env() + "=" + s.Value
		}
		fmt.Fprintf(w, "\n%s\n    %s%s\n    %s   %s\n", name, s.Usage, def, s.Key, s.Env())
	}
	return nil
}

// table writes aligned columns.
func table(w io.Writer, header string, rows func(row func(cells ...any))) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, strings.ReplaceAll(header, " ", "\t"))
	rows(func(cells ...any) {
		for i, c := range cells {
			if i > 0 {
				fmt.Fprint(tw, "\t")
			}
			fmt.Fprint(tw, c)
		}
		fmt.Fprintln(tw)
	})
	return tw.Flush()
}

const usageTemplate = `Usage:
  {{.UseLine}}{{if .HasAvailableSubCommands}} COMMAND{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}

Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasParent}}

Settings such as --data, --brokers and --store: tidemark help settings{{end}}
`
