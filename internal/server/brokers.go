package server

import (
	"context"
	"errors"

	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/internal/auth"
)

// brokers says whether brokers answered when they were last asked: "ok", or why not; nothing of a process that asks none.
// It is no part of being ready: statements are answered without brokers, and reading goes on by itself when they are back.
func (s *Server) brokers(ctx context.Context) string {
	if s.opts.Kafka == nil {
		return ""
	}
	err := s.opts.Kafka()
	if _, known := auth.From(ctx); s.opts.Auth != nil && !known && !errors.Is(err, ingest.ErrNotAsked) {
		return withoutReason(status(err))
	}
	return status(err)
}
