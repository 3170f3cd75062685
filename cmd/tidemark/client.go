package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/tidemarkdb/tidemark/internal/config"
	"github.com/tidemarkdb/tidemark/internal/server"
)

// client asks /api/v1 of another process or of this one (X1).
type client struct {
	base string
	http *http.Client
	node *node // set when the handlers run in this process
	who  config.Client
}

const (
	lockWait = 10 * time.Second // how long a command waits for another short one that holds the folder
	lockPoll = 50 * time.Millisecond
	maxReply = 256 << 20 // bytes of an answer
)

// connect finds whom to ask. make says that the data folder may be made. The caller closes the client.
func (a *app) connect(ctx context.Context, create bool) (*client, error) {
	cfg, err := a.target()
	if err != nil {
		return nil, err
	}
	if cfg.Server != "" {
		return remote(cfg.Server, cfg.Client)
	}
	if !create && !exists(cfg.Data) {
		return nil, fmt.Errorf("there is no data folder %s here: name one with --data, or start with tidemark table apply or tidemark serve", cfg.Data)
	}
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for deadline := time.Now().Add(lockWait); ; {
		n, err := a.open(ctx, cfg)
		if err == nil {
			return n.client(), nil
		}
		var locked *config.LockedError
		if !errors.As(err, &locked) {
			return nil, err
		}
		address, aerr := config.Address(cfg.Data)
		if aerr != nil {
			return nil, aerr
		}
		if address != "" {
			return holder(cfg, address)
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%w (it has published no address to ask)", err)
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-tick.C:
		}
	}
}

func (c *client) close() error {
	if c.node == nil {
		return nil
	}
	return c.node.close()
}

// request is one question.
type request struct {
	method, path string
	root         bool // the path is not below /api/v1
	query        url.Values
	body         []byte
	key          string // Idempotency-Key; may be empty
	accept       string // media type; may be empty
}

// json makes v the body.
func (q *request) json(v any) (err error) {
	q.body, err = json.Marshal(v)
	return err
}

// do asks and reads the answer into out.
func (c *client) do(ctx context.Context, q request, out any) error {
	body, err := c.send(ctx, q)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(io.LimitReader(body, maxReply)).Decode(out); err != nil {
		return fmt.Errorf("%s %s: the answer is no JSON: %w", q.method, q.path, err)
	}
	return nil
}

// send asks and returns the body of a good answer.
func (c *client) send(ctx context.Context, q request) (io.ReadCloser, error) {
	u := c.base + "/api/v1" + q.path
	if q.root {
		u = c.base + q.path
	}
	if len(q.query) > 0 {
		u += "?" + q.query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, q.method, u, bytes.NewReader(q.body))
	if err != nil {
		return nil, err
	}
	if q.key != "" {
		r.Header.Set("Idempotency-Key", q.key)
	}
	if q.accept != "" {
		r.Header.Set("Accept", q.accept)
	}
	c.sign(r)
	resp, err := c.http.Do(r)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return nil, cause
		}
		return nil, fmt.Errorf("ask the running tidemark: %w", explained(err))
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	var e server.ErrorBody
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxReply)).Decode(&e); err != nil || e.Error == nil {
		return nil, fmt.Errorf("%s %s: %s, and no reason in the answer: is this a tidemark?", q.method, u, resp.Status)
	}
	e.Error.Status = resp.StatusCode
	return nil, e.Error
}

// lines asks and calls each with every line of a streamed answer.
func (c *client) lines(ctx context.Context, q request, each func(*json.Decoder) error) error {
	body, err := c.send(ctx, q)
	if err != nil {
		return err
	}
	defer body.Close()
	d := json.NewDecoder(body)
	for d.More() {
		if err := each(d); err != nil {
			return err
		}
	}
	return nil
}
