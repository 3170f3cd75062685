package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Open implements Store. An offset at or past the end reads as empty. A connection that breaks or stalls while the object
// is read is opened again where it stopped, within the limits of Retry.
func (s *S3) Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	if err := validateOpen(key, off); err != nil {
		return nil, err
	}
	if n == 0 { // a range of no bytes cannot be asked for
		if _, err := s.Stat(ctx, key); err != nil {
			return nil, err
		}
		return http.NoBody, nil
	}
	r := &s3Reader{s: s, ctx: ctx, key: key, off: off, left: n}
	if err := r.reopen(); err != nil {
		return nil, err
	}
	return r, nil
}

// s3Reader reads a range of an object.
type s3Reader struct {
	s         *S3
	ctx       context.Context // the one Open was given: it ends the reading too
	key       string
	off, left int64 // of what is still to be read; left < 0: to the end
	failures  int   // since the last byte
	since     time.Time

	body   io.ReadCloser // nil: to be opened
	watch  *time.Timer   // ends the request when it stalls; runs only within Read
	cancel context.CancelFunc
}

// reopen asks for what is left. The answer may take CallTimeout to begin; its body has no such limit.
func (r *s3Reader) reopen() error {
	in := &s3.GetObjectInput{Bucket: &r.s.opts.Bucket, Key: r.s.key(r.key)}
	switch {
	case r.left > 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", r.off, r.off+r.left-1))
	case r.off > 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", r.off))
	}
	return r.s.do(r.ctx, "open", r.key, func(actx context.Context, _ int) error {
		// The body lives longer than actx, so the request gets a context of its own, which ends with actx only until the
		// answer has begun.
		ctx, cancel := context.WithCancel(r.ctx)
		stop := context.AfterFunc(actx, cancel)
		out, err := r.s.client.GetObject(ctx, in)
		if !stop() && err == nil {
			out.Body.Close()
			err = actx.Err()
		}
		if status(err) == http.StatusRequestedRangeNotSatisfiable {
			cancel()
			r.body, r.cancel, r.left = http.NoBody, func() {}, 0
			return nil
		}
		if err != nil {
			cancel()
			return err
		}
		r.body, r.cancel = out.Body, cancel
		r.watch = time.AfterFunc(time.Hour, cancel)
		r.watch.Stop()
		return nil
	})
}

func (r *s3Reader) Read(p []byte) (int, error) {
	for {
		if r.left == 0 || len(p) == 0 {
			if r.left == 0 {
				return 0, io.EOF
			}
			return 0, nil
		}
		if r.body == nil {
			if err := r.reopen(); err != nil {
				return 0, err
			}
			continue
		}
		if r.left > 0 && int64(len(p)) > r.left {
			p = p[:r.left]
		}
		n, err := r.readBody(p)
		r.off += int64(n)
		if r.left > 0 {
			r.left -= int64(n)
		}
		if n > 0 {
			r.failures = 0
			return n, nil // an error comes again with the next Read
		}
		if errors.Is(err, io.EOF) {
			r.left = 0 // a range behind the end, or all of it
			continue
		}
		if err == nil {
			return 0, nil
		}
		if err := r.broken(err); err != nil {
			return 0, err
		}
	}
}

func (r *s3Reader) readBody(p []byte) (int, error) {
	if r.watch == nil {
		return r.body.Read(p)
	}
	r.watch.Reset(r.s.opts.ReadTimeout)
	defer r.watch.Stop()
	return r.body.Read(p)
}

// broken closes the connection that ended in err; nil means that another one may be opened.
func (r *s3Reader) broken(err error) error {
	r.Close()
	r.body, r.watch = nil, nil
	if r.ctx.Err() != nil {
		return fmt.Errorf("read %s: %w", r.s.name(r.key), r.ctx.Err())
	}
	if errors.Is(err, context.Canceled) {
		err = fmt.Errorf("no byte within %v", r.s.opts.ReadTimeout)
	}
	if r.failures == 0 {
		r.since = time.Now()
	}
	r.failures++
	err = fmt.Errorf("read %s at %d: %w: %w", r.s.name(r.key), r.off, ErrUnavailable, err)
	return r.s.retry.wait(r.ctx, r.failures, r.since, err)
}

func (r *s3Reader) Close() error {
	if r.body == nil {
		return nil
	}
	r.cancel() // what is left is not read for the sake of the connection
	return r.body.Close()
}

// Stat implements Stater.
func (s *S3) Stat(ctx context.Context, key string) (Object, error) {
	if err := ValidateKey(key); err != nil {
		return Object{}, err
	}
	var out *s3.HeadObjectOutput
	err := s.do(ctx, "stat", key, func(ctx context.Context, _ int) (err error) {
		out, err = s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.opts.Bucket, Key: s.key(key)})
		return err
	})
	if err != nil {
		return Object{}, err
	}
	return Object{Key: key, Size: aws.ToInt64(out.ContentLength), ModTime: aws.ToTime(out.LastModified)}, nil
}

// Delete implements Store.
func (s *S3) Delete(ctx context.Context, key string) error {
	if err := ValidateKey(key); err != nil {
		return err
	}
	err := s.do(ctx, "delete", key, func(ctx context.Context, _ int) error {
		_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.opts.Bucket, Key: s.key(key)})
		return err
	})
	if errors.Is(err, ErrNotFound) { // some stores say so
		return nil
	}
	return err
}

// List implements Store. It holds one page of keys (1,000 at most). Objects with keys that are not ours are left out.
func (s *S3) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		if err := validatePrefix(prefix); err != nil {
			yield(Object{}, err)
			return
		}
		var last string
		for token := (*string)(nil); ; {
			var page *s3.ListObjectsV2Output
			err := s.do(ctx, "list", prefix, func(ctx context.Context, _ int) (err error) {
				page, err = s.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{
					Bucket: &s.opts.Bucket, Prefix: s.key(prefix), ContinuationToken: token,
				})
				return err
			})
			if err != nil {
				yield(Object{}, err)
				return
			}
			for _, o := range page.Contents {
				key := aws.ToString(o.Key)[len(s.prefix):]
				if ValidateKey(key) != nil {
					continue
				}
				if key <= last {
					yield(Object{}, fmt.Errorf("list %s: the store does not list in order: %q after %q", s.name(prefix), key, last))
					return
				}
				last = key
				if !yield(Object{Key: key, Size: aws.ToInt64(o.Size), ModTime: aws.ToTime(o.LastModified)}, nil) {
					return
				}
			}
			if token = page.NextContinuationToken; token == nil || !aws.ToBool(page.IsTruncated) {
				return
			}
		}
	}
}
