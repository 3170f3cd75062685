package config

import (
	"fmt"
	"io"
	"strings"
)

// Example prints a file of all settings, each with what it means and its default in a comment: as it is, it changes nothing.
func Example(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "# Settings of tidemark: take the # before a key away and change its value. A flag or a variable goes before this file.\n"); err != nil {
		return err
	}
	var open []string
	for _, s := range Settings() {
		path := strings.Split(s.Key, ".")
		shared := 0
		for shared < len(open) && shared < len(path)-1 && open[shared] == path[shared] {
			shared++
		}
		var b strings.Builder
		if shared == 0 {
			b.WriteString("\n")
		}
		for ; shared < len(path)-1; shared++ {
			fmt.Fprintf(&b, "%s%s:\n", strings.Repeat("  ", shared), path[shared])
		}
		open = path[:len(path)-1]
		indent, value := strings.Repeat("  ", len(open)), s.Default
		if value == "" {
			value = s.Value // what stands for it
		}
		other := s.Env()
		if s.Flag != "" {
			other = "--" + s.Flag + ", " + other
		}
		fmt.Fprintf(&b, "%s# %s (%s)\n%s# %s: %s\n", indent, s.Usage, other, indent, path[len(path)-1], scalar(value))
		if _, err := io.WriteString(w, b.String()); err != nil {
			return err
		}
	}
	return nil
}
