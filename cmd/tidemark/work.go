package main

import (
	"context"
	"time"

	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/server"
	"github.com/tidemarkdb/tidemark/internal/verify"
)

// work is the server's Work, done by ingest and verify with what the node has open.
type work struct{ n *node }

func (w work) Sample(ctx context.Context, project, topic string, n int) (*server.Sample, error) {
	samples, err := ingest.ReadSample(ctx, ingest.SampleOptions{Kafka: w.n.kafka, Topic: topic, N: n})
	if err != nil {
		return nil, err
	}
	text, table, err := cube.Infer(topic, samples, cube.InferOptions{Project: project})
	if text == nil && err != nil {
		return nil, err
	}
	out := &server.Sample{Topic: topic, Records: len(samples), Definition: string(text)}
	if err != nil {
		out.Problem = err.Error()
		return out, nil
	}
	text, _, err = cube.InferCube(table, samples)
	out.Cube = string(text)
	return out, err
}

func (w work) Requeue(ctx context.Context, r server.RequeueRequest) (*server.RequeueResult, error) {
	res, err := ingest.Requeue(ctx, ingest.RequeueOptions{
		Catalog: w.n.catalog, Store: w.n.store, Project: r.Project, Table: r.Table,
		Reason: r.Reason, Partition: r.Partition, DryRun: r.DryRun,
	})
	if err != nil {
		return nil, err
	}
	out := &server.RequeueResult{
		DryRun: r.DryRun, Requeued: res.Requeued, StillBad: res.StillBad, Files: res.Files, ByReason: res.ByReason,
	}
	if out.Files == nil {
		out.Files = []string{}
	}
	if out.ByReason == nil {
		out.ByReason = map[string]int64{}
	}
	return out, nil
}

func (w work) GC(ctx context.Context) (*server.GCResult, error) {
	res, err := w.n.builder.Cleanup(ctx, true)
	if err != nil {
		return nil, err
	}
	out := &server.GCResult{Scanned: res.Scanned, Young: res.Young, Bytes: res.Bytes, Orphans: []server.Orphan{}, Only: res.Only, Unknown: res.Unknown}
	for _, o := range res.Unneeded {
		x := server.Orphan{Key: o.Key, Reason: o.Reason}
		if o.MarkedUs != 0 {
			x.MarkedAt = time.UnixMicro(o.MarkedUs).UTC()
		}
		out.Orphans = append(out.Orphans, x)
	}
	return out, nil
}

func (w work) Verify(ctx context.Context, r server.VerifyRequest, progress func(server.VerifyProgress)) (*verify.Report, error) {
	o := verify.Options{
		Catalog: w.n.catalog, Store: w.n.store, HBase: w.n.hbase, Kafka: w.n.kafka, AgainstKafka: r.AgainstKafka, Project: r.Project, Table: r.Table,
		Dir: w.n.cfg.BuildDir(), LookupMemory: w.n.cfg.Build.DictionaryMemory, LookupDisk: w.n.cfg.Build.DictionaryDisk,
	}
	if progress != nil {
		o.Progress = func(p verify.Progress) {
			progress(server.VerifyProgress{
				Table: p.Table, Kafka: p.Kafka, Files: p.Files, TotalFiles: p.TotalFiles, Events: p.Events, Records: p.Records, Cuboids: p.Cuboids,
				BytesPerSec: p.BytesPerSec, ETASeconds: p.ETA.Seconds(),
			})
		}
	}
	return verify.Run(ctx, o)
}
