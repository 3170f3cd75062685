// Command connect is Redpanda Connect with the components that the comparison needs and no others, so that it builds in
// minutes. It is a module of its own: nothing of it reaches tidemark.
package main

import (
	"context"

	"github.com/redpanda-data/benthos/v4/public/service"

	_ "github.com/redpanda-data/connect/v4/public/components/io"
	_ "github.com/redpanda-data/connect/v4/public/components/kafka"
	_ "github.com/redpanda-data/connect/v4/public/components/pure"
	_ "github.com/redpanda-data/connect/v4/public/components/pure/extended"
)

func main() {
	service.RunCLI(context.Background())
}
