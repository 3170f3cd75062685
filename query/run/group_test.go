package run

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// A panic beside others ends them, and is one of whoever waits, with the stack of where it was.
func TestGroupPanics(t *testing.T) {
	g, ctx := newGroup(context.Background())
	g.Go(func() error {
		<-ctx.Done()
		return ctx.Err()
	})
	g.Go(func() error { return breaks() })
	defer func() {
		if text := fmt.Sprint(recover()); !strings.HasPrefix(text, "broken\n") || !strings.Contains(text, "breaks(") {
			t.Errorf("recovered %q, want the panic with its stack", text)
		}
	}()
	err := g.Wait()
	t.Errorf("no panic, but %v", err)
}

func breaks() error { panic("broken") }
