package blob_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/tidemarkdb/tidemark/internal/blob"
)

// realS3 is a server to test against, from TIDEMARK_TEST_S3, as in s3://bucket/prefix?endpoint=http://127.0.0.1:PORT, with
// the access keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
type realS3 struct {
	bucket, prefix string
	query          url.Values
	client         *s3.Client
}

func openRealS3(t *testing.T) *realS3 {
	t.Helper()
	address := os.Getenv("TIDEMARK_TEST_S3")
	if address == "" {
		t.Skip("TIDEMARK_TEST_S3 is not set")
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	r := &realS3{bucket: u.Host, prefix: strings.Trim(u.Path+"/test-"+strings.ToLower(rand.Text()), "/"), query: u.Query()}
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	r.client = s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.UsePathStyle = true
		if e := r.query.Get("endpoint"); e != "" {
			o.BaseEndpoint = &e
		}
	})
	_, err = r.client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &r.bucket})
	var owned *types.BucketAlreadyOwnedByYou
	if err != nil && !errors.As(err, &owned) {
		t.Fatalf("make bucket %s: %v", r.bucket, err)
	}
	return r
}

func (r *realS3) address(sub string) string {
	return fmt.Sprintf("s3://%s/%s/%s?%s", r.bucket, r.prefix, sub, r.query.Encode())
}

// uploads counts the multipart uploads under way below the prefix.
func (r *realS3) uploads(t *testing.T) int {
	t.Helper()
	out, err := r.client.ListMultipartUploads(context.WithoutCancel(t.Context()), &s3.ListMultipartUploadsInput{Bucket: &r.bucket, Prefix: aws.String(r.prefix)})
	if err != nil {
		t.Fatal(err)
	}
	return len(out.Uploads)
}

func TestS3(t *testing.T) {
	r := openRealS3(t)
	var n atomic.Int64
	conform(t, func(t *testing.T) blob.Store {
		o := blob.Options{S3: blob.S3Options{PartBytes: 5 << 20}}
		st, err := blob.OpenStore(t.Context(), r.address(fmt.Sprint(n.Add(1))), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if got := r.uploads(t); got != 0 {
				t.Errorf("%d multipart uploads are left", got)
			}
			empty(t, st)
		})
		return st
	})
}

func TestS3Refusals(t *testing.T) {
	r := openRealS3(t)
	o := blob.Options{}
	o.S3.Credentials = credentials.NewStaticCredentialsProvider("wrong", "keys", "")
	for _, c := range []struct {
		address string
		o       blob.Options
		want    string
	}{
		{r.address("x"), o, "refuses access key wrong for bucket"},
		{"s3://no-such-bucket-here/x?" + r.query.Encode(), blob.Options{}, "there is no bucket no-such-bucket-here"},
	} {
		st, err := blob.OpenStore(t.Context(), c.address, c.o)
		if err != nil {
			t.Fatal(err)
		}
		_, openErr := st.Open(t.Context(), "a", 0, -1)
		var listErr error
		for _, listErr = range st.List(t.Context(), "") {
		}
		for _, err := range []error{blob.Check(t.Context(), st, blob.Deletes), openErr, listErr} {
			if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, blob.ErrUnavailable) || errors.Is(err, blob.ErrNotFound) {
				t.Errorf("got %v, want a final error that says %q", err, c.want)
			}
		}
	}
}

func empty(t *testing.T, st blob.Store) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	for o, err := range st.List(ctx, "") {
		if err == nil {
			err = st.Delete(ctx, o.Key)
		}
		if err != nil {
			t.Error(err)
			return
		}
	}
}
