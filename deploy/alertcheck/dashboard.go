package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
	"gopkg.in/yaml.v3"
)

// panel is what is looked at of a panel of Grafana; a row holds panels.
type panel struct {
	Title      string
	Type       string
	Panels     []panel
	Datasource struct{ UID string }
	Targets    []struct{ Expr string }
}

// checkDashboard reads the expressions of all panels.
func checkDashboard(path string, metrics map[string][]string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var d struct {
		UID, Title string
		Panels     []panel
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var errs []error
	if d.UID == "" || d.Title == "" || len(d.Panels) == 0 {
		errs = append(errs, fmt.Errorf("%s: want a uid, a title and panels", path))
	}
	for _, p := range d.Panels {
		errs = append(errs, checkPanel(path, p, metrics)...)
	}
	return errors.Join(errs...)
}

func checkPanel(path string, p panel, metrics map[string][]string) (errs []error) {
	for _, below := range p.Panels {
		errs = append(errs, checkPanel(path, below, metrics)...)
	}
	if p.Type == "row" {
		return errs
	}
	if len(p.Targets) == 0 || p.Title == "" || p.Datasource.UID == "" {
		errs = append(errs, fmt.Errorf("%s: panel %q: want a title, a data source and expressions", path, p.Title))
	}
	for _, t := range p.Targets {
		expr, err := parser.ParseExpr(strings.ReplaceAll(t.Expr, "$__rate_interval", "5m")) // as Grafana does
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: panel %q: %w", path, p.Title, err))
			continue
		}
		for _, problem := range unknown(expr, metrics) {
			errs = append(errs, fmt.Errorf("%s: panel %q: %s", path, p.Title, problem))
		}
	}
	return errs
}

// checkServer reads the settings of Prometheus that ours has; others are to be added here. Prometheus' own reader would bring
// the libraries of every cloud along.
func checkServer(path string, _ map[string][]string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var c struct {
		Global struct {
			ScrapeInterval     string `yaml:"scrape_interval"`
			EvaluationInterval string `yaml:"evaluation_interval"`
		}
		RuleFiles     []string `yaml:"rule_files"`
		ScrapeConfigs []struct {
			JobName       string                       `yaml:"job_name"`
			StaticConfigs []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var errs []error
	for _, f := range c.RuleFiles {
		if _, err := os.Stat(filepath.Join(filepath.Dir(path), f)); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", path, err))
		}
	}
	if len(c.ScrapeConfigs) == 0 || len(c.RuleFiles) == 0 {
		errs = append(errs, fmt.Errorf("%s: want a target and rules", path))
	}
	return errors.Join(errs...)
}
