package blob

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// What S3 itself prescribes for a multipart upload.
const (
	minPartBytes = 5 << 20
	maxParts     = 10_000
)

// defaultRegion is what stores other than Amazon's expect in a signature, unless they say otherwise.
const defaultRegion = "us-east-1"

// S3Options configure an S3. The zero value of a field means its default.
type S3Options struct {
	Bucket    string // must be given
	Prefix    string // of all keys in the bucket, without slashes at its ends; may be empty
	Endpoint  string // http(s)://host[:port] of a store other than Amazon's; default: AWS_ENDPOINT_URL_S3, else Amazon's
	Region    string // default: of the AWS settings, else us-east-1 where there is an endpoint
	PathStyle bool   // http://host/bucket/key instead of http://bucket.host/key

	Credentials aws.CredentialsProvider // default: the AWS chain (environment, profile, role); renewed as they expire

	PartBytes   int64         // of a multipart upload, and the largest body sent in one piece; default 8 MiB, at least 5 MiB
	UploadParts int           // parts of one body sent at once; default 3. A stream takes PartBytes*(UploadParts+1) of memory, a file none
	DialTimeout time.Duration // default 5s
	CallTimeout time.Duration // of one attempt of a call; of a read: until the answer begins; default 60s
	ReadTimeout time.Duration // without a byte of an answer that has begun; default 30s
	Retry       RetryOptions  // of one call, a part of an upload being one; default 4 attempts, 1m
}

func (o S3Options) withDefaults() S3Options {
	o.Prefix = strings.Trim(o.Prefix, "/")
	if o.PartBytes == 0 {
		o.PartBytes = 8 << 20
	}
	if o.UploadParts == 0 {
		o.UploadParts = 3
	}
	if o.DialTimeout == 0 {
		o.DialTimeout = 5 * time.Second
	}
	if o.CallTimeout == 0 {
		o.CallTimeout = 60 * time.Second
	}
	if o.ReadTimeout == 0 {
		o.ReadTimeout = 30 * time.Second
	}
	if o.Retry.MaxAttempts == 0 {
		o.Retry.MaxAttempts = 4
	}
	if o.Retry.MaxElapsed == 0 {
		o.Retry.MaxElapsed = time.Minute
	}
	return o
}

func (o S3Options) validate() error {
	var errs []error
	if o.Bucket == "" || strings.Contains(o.Bucket, "/") {
		errs = append(errs, fmt.Errorf("bucket %q: must be a name, as in s3://my-bucket/prefix", o.Bucket))
	}
	if o.Prefix != "" {
		if err := ValidateKey(o.Prefix); err != nil {
			errs = append(errs, fmt.Errorf("prefix: %w", err))
		}
	}
	if o.Endpoint != "" {
		u, err := url.Parse(o.Endpoint)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" {
			errs = append(errs, fmt.Errorf("endpoint %q: must be like https://host or http://host:9000, without keys", o.Endpoint))
		}
	}
	if o.PartBytes < minPartBytes {
		errs = append(errs, fmt.Errorf("PartBytes is %d, must be at least %d", o.PartBytes, minPartBytes))
	}
	if o.UploadParts < 1 {
		errs = append(errs, fmt.Errorf("UploadParts is %d, must be at least 1", o.UploadParts))
	}
	if o.DialTimeout < 0 || o.CallTimeout < 0 || o.ReadTimeout < 0 {
		errs = append(errs, errors.New("DialTimeout, CallTimeout and ReadTimeout must not be negative"))
	}
	return errors.Join(errs...)
}

// S3 is a Store in a bucket of Amazon S3 or of a store that speaks its protocol and honours If-None-Match (see Check).
// It is safe for concurrent use.
type S3 struct {
	opts   S3Options
	prefix string // of keys in the bucket: empty, or with a slash at its end
	client *s3.Client
	keys   *credentials
	retry  retrier
}

// NewS3 opens a bucket. It reads settings but calls nothing: Check does.
func NewS3(ctx context.Context, o S3Options) (*S3, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("s3 store: %w", err)
	}
	retry, err := newRetrier(o.Retry)
	if err != nil {
		return nil, fmt.Errorf("s3 store: %w", err)
	}
	cfg, err := config.LoadDefaultConfig(ctx, func(l *config.LoadOptions) error {
		l.Region = o.Region
		l.Credentials = o.Credentials
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("s3 store: read the AWS settings: %w", err)
	}
	if cfg.Region == "" {
		if o.Endpoint == "" && cfg.BaseEndpoint == nil {
			return nil, fmt.Errorf("s3 store: the region of bucket %s is not known: add ?region=... to the address or set AWS_REGION", o.Bucket)
		}
		cfg.Region = defaultRegion
	}
	s := &S3{opts: o, retry: retry}
	if o.Prefix != "" {
		s.prefix = o.Prefix + "/"
	}
	s.client = s3.NewFromConfig(cfg, func(so *s3.Options) {
		if o.Endpoint != "" {
			so.BaseEndpoint = aws.String(o.Endpoint)
		}
		so.UsePathStyle = o.PathStyle
		so.Retryer = aws.NopRetryer{} // s.do repeats calls
		s.keys = &credentials{CredentialsProvider: so.Credentials}
		so.Credentials = s.keys
		so.DisableLogOutputChecksumValidationSkipped = true
		so.HTTPClient = awshttp.NewBuildableClient().
			WithDialerOptions(func(d *net.Dialer) { d.Timeout = o.DialTimeout }).
			WithTransportOptions(func(t *http.Transport) { t.MaxIdleConnsPerHost = 64 })
	})
	return s, nil
}

// creators lets Check try both ways in which an object comes into being.
func (s *S3) creators() []creator {
	return []creator{{"PutObject", s.Create}, {"CompleteMultipartUpload", s.createInParts}}
}

// name is how errors and users call an object.
func (s *S3) name(key string) string { return "s3://" + s.opts.Bucket + "/" + s.prefix + key }

func (s *S3) key(key string) *string { return aws.String(s.prefix + key) }

// do makes one kind of call, repeats it while the store is unavailable, and maps its error.
func (s *S3) do(ctx context.Context, op, key string, call func(ctx context.Context, attempt int) error) error {
	err := s.retry.do(ctx, func(attempt int) error {
		actx, cancel := context.WithTimeout(ctx, s.opts.CallTimeout)
		defer cancel()
		err := call(actx, attempt)
		if err != nil && ctx.Err() == nil && actx.Err() != nil {
			return fmt.Errorf("%w: no answer within %v", ErrUnavailable, s.opts.CallTimeout)
		}
		if err == nil {
			s.keys.accepted.Store(true)
		}
		return s.explain(ctx, err)
	})
	if err != nil {
		return fmt.Errorf("%s %s: %w", op, s.name(key), err)
	}
	return nil
}
