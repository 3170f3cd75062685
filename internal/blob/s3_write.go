package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
)

// abortTimeout bounds the clean-up after an upload that failed or was cancelled.
const abortTimeout = 15 * time.Second

// partGrace is how long a part that is being sent may go on after its upload has failed or was cancelled. A part that the
// store still writes when its upload is aborted can bring the upload back, and nobody would abort it then.
const partGrace = 5 * time.Second

// Create implements Store. A body of more than PartBytes is sent in parts. One that is an io.ReaderAt and io.Seeker, as a
// file is, is read in place; of any other at most UploadParts+1 parts are in memory.
func (s *S3) Create(ctx context.Context, key string, body io.Reader) error {
	if err := ValidateKey(key); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("create %s: %w", s.name(key), err)
	}
	src, err := newParts(ctx, body, s.opts.PartBytes)
	if err != nil {
		return fmt.Errorf("create %s: %w", s.name(key), err)
	}
	first, more, err := src.next()
	if err != nil {
		return fmt.Errorf("create %s: %w", s.name(key), err)
	}
	if more {
		return s.multipart(ctx, key, first, src)
	}
	return s.createOnce(ctx, "create", key, func(ctx context.Context) error {
		if _, err := first.Seek(0, io.SeekStart); err != nil {
			return err
		}
		_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &s.opts.Bucket, Key: s.key(key), Body: first, IfNoneMatch: aws.String("*"),
		})
		return err
	})
}

// createInParts is Create by way of a multipart upload, whatever the size of the body.
func (s *S3) createInParts(ctx context.Context, key string, body io.Reader) error {
	src, err := newParts(ctx, body, s.opts.PartBytes)
	if err != nil {
		return fmt.Errorf("create %s: %w", s.name(key), err)
	}
	first, _, err := src.next()
	if err != nil {
		return fmt.Errorf("create %s: %w", s.name(key), err)
	}
	return s.multipart(ctx, key, first, src)
}

// createOnce makes the call that gives an object its name. If an attempt is answered by "exists" after one that got no
// answer, nobody knows whose object it is: the caller finds out as after any failed Create (B3).
func (s *S3) createOnce(ctx context.Context, op, key string, call func(ctx context.Context) error) error {
	attempts := 0
	err := s.do(ctx, op, key, func(ctx context.Context, attempt int) error {
		attempts = attempt
		return call(ctx)
	})
	if attempts > 1 && errors.Is(err, ErrExists) {
		return fmt.Errorf("%s %s: %w: it exists, perhaps by an attempt that got no answer", op, s.name(key), ErrUnavailable)
	}
	return err
}

func (s *S3) multipart(ctx context.Context, key string, first io.ReadSeeker, src *parts) (err error) {
	var upload *s3.CreateMultipartUploadOutput
	err = s.do(ctx, "create", key, func(ctx context.Context, _ int) (err error) {
		upload, err = s.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
			Bucket: &s.opts.Bucket, Key: s.key(key), ChecksumAlgorithm: s.checksum(),
		})
		return err
	})
	if err != nil {
		return err
	}
	defer func() {
		if errors.Is(err, errUploadGone) {
			err = fmt.Errorf("%w: %w", ErrUnavailable, err)
		} else if err != nil {
			err = s.abort(ctx, key, upload.UploadId, err)
		}
	}()
	done, err := s.uploadParts(ctx, key, upload.UploadId, first, src)
	if err != nil {
		return err
	}
	return s.createOnce(ctx, "complete", key, func(ctx context.Context) error {
		_, err := s.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: &s.opts.Bucket, Key: s.key(key), UploadId: upload.UploadId, IfNoneMatch: aws.String("*"),
			MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
		})
		return err
	})
}

// uploadParts sends all parts, UploadParts at once, and returns them in order.
func (s *S3) uploadParts(ctx context.Context, key string, id *string, first io.ReadSeeker, src *parts) ([]types.CompletedPart, error) {
	pctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, gctx := errgroup.WithContext(pctx)
	group.SetLimit(s.opts.UploadParts) // Go waits for a free place, so no more parts are read ahead
	var mu sync.Mutex
	var done []types.CompletedPart
	var err error
	for part, n := first, int32(1); part != nil && gctx.Err() == nil; n++ {
		if n > maxParts {
			err = fmt.Errorf("create %s: more than %d parts of %d bytes: raise PartBytes", s.name(key), maxParts, s.opts.PartBytes)
			break
		}
		body, number := part, n
		group.Go(func() error {
			c, err := s.uploadPart(gctx, key, id, number, body)
			mu.Lock()
			defer mu.Unlock()
			done = append(done, c)
			return err
		})
		if part, _, err = src.next(); err != nil {
			err = fmt.Errorf("create %s: %w", s.name(key), err)
			cancel() // parts that wait for another attempt do so in vain
			break
		}
	}
	gerr := group.Wait()
	if err == nil {
		err = gerr
	}
	if err == nil {
		err = ctx.Err() // it may have ended before the first part was begun
	}
	slices.SortFunc(done, func(a, b types.CompletedPart) int { return int(*a.PartNumber - *b.PartNumber) })
	return done, err
}

func (s *S3) uploadPart(ctx context.Context, key string, id *string, number int32, body io.ReadSeeker) (types.CompletedPart, error) {
	done := types.CompletedPart{PartNumber: &number}
	err := s.do(ctx, fmt.Sprintf("upload part %d of", number), key, func(ctx context.Context, _ int) error {
		if err := ctx.Err(); err != nil {
			return err // the upload ended while this part waited for its turn
		}
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			return err
		}
		ctx, cancel := outlive(ctx, partGrace)
		defer cancel()
		out, err := s.client.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: &s.opts.Bucket, Key: s.key(key), UploadId: id, PartNumber: &number, Body: body,
			ChecksumAlgorithm: s.checksum(),
		})
		if err != nil {
			return err
		}
		done.ETag, done.ChecksumCRC32 = out.ETag, out.ChecksumCRC32
		return nil
	})
	return done, err
}

// outlive returns a context that ends grace after ctx does.
func outlive(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-late.Done():
		}
	})
	return late, func() {
		stop()
		cancel()
	}
}

// checksum must be the same for an upload and all its parts. AWS_REQUEST_CHECKSUM_CALCULATION=when_required turns it off,
// for stores that know none.
func (s *S3) checksum() types.ChecksumAlgorithm {
	if s.client.Options().RequestChecksumCalculation == aws.RequestChecksumCalculationWhenRequired {
		return ""
	}
	return types.ChecksumAlgorithmCrc32
}

// abort removes the parts of an upload that ended in cause, which it returns. What it cannot remove is left to the rule
// for incomplete multipart uploads that a bucket should have.
func (s *S3) abort(ctx context.Context, key string, id *string, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.opts.Bucket, Key: s.key(key), UploadId: id})
	if err == nil || status(err) == http.StatusNotFound {
		return cause
	}
	return fmt.Errorf("%w (its uploaded parts are left in the bucket: %v)", cause, s.explain(ctx, err))
}

// parts cuts a body. Either sections or stream is set.
type parts struct {
	sections  *io.SectionReader
	off       int64 // of the next section
	stream    io.Reader
	partBytes int64
	begun     bool
}

func newParts(ctx context.Context, body io.Reader, partBytes int64) (*parts, error) {
	p := &parts{stream: &bodyReader{ctx: ctx, r: body}, partBytes: partBytes}
	file, ok := body.(interface {
		io.ReaderAt
		io.Seeker
	})
	if !ok {
		return p, nil
	}
	off, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return p, nil // a pipe: a file that cannot seek
	}
	end, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("size of the body: %w", err)
	}
	p.sections = io.NewSectionReader(file, off, max(0, end-off))
	p.partBytes = max(partBytes, (p.sections.Size()+maxParts-1)/maxParts)
	return p, nil
}

// next returns the next part, nil after the last. There is always a first one. More is true if another may follow.
func (p *parts) next() (part io.ReadSeeker, more bool, err error) {
	first := !p.begun
	p.begun = true
	if p.sections != nil {
		n := min(p.partBytes, p.sections.Size()-p.off)
		if n <= 0 && !first {
			return nil, false, nil
		}
		part = io.NewSectionReader(p.sections, p.off, n)
		p.off += n
		return part, p.off < p.sections.Size(), nil
	}
	var buf bytes.Buffer
	if !first {
		buf.Grow(int(p.partBytes) + bytes.MinRead) // most parts are full
	}
	n, err := io.Copy(&buf, io.LimitReader(p.stream, p.partBytes))
	if err != nil {
		return nil, false, err
	}
	if n == 0 && !first {
		return nil, false, nil
	}
	return bytes.NewReader(buf.Bytes()), n == p.partBytes, nil
}
