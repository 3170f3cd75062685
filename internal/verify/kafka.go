package verify

import "context"

func (t *tableRun) againstKafka(context.Context, []partition) error { return nil }
