package blob

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// credentials marks the errors of the provider below, which the client passes on as text without a type.
type credentials struct {
	aws.CredentialsProvider
	id       atomic.Pointer[string] // of the keys that it gave last; nil: it has had none
	accepted atomic.Bool            // the store has taken keys of it
}

func (c *credentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if c.CredentialsProvider == nil {
		return aws.Credentials{}, &credentialsError{err: errors.New("none are configured")}
	}
	got, err := c.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return got, &credentialsError{err: err, renewal: c.id.Load() != nil}
	}
	c.id.Store(&got.AccessKeyID)
	return got, nil
}

// refused says that the store refuses the keys. Keys that it took before are worth another try: somebody has changed them there,
// or will here, and what is in hand waits meanwhile.
func (s *S3) refused(cause string) error {
	id := ""
	if p := s.keys.id.Load(); p != nil {
		id = " " + *p
	}
	says := fmt.Sprintf("the store at %s refuses access key%s for bucket %s: check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile or role in use, "+
		"then try tidemark check (%s)", s.where(), id, s.opts.Bucket, cause)
	if s.keys.accepted.Load() {
		return fmt.Errorf("%w: %s", ErrUnavailable, says)
	}
	return errors.New(says)
}

type credentialsError struct {
	err     error
	renewal bool // there were keys: who gives them does not answer
}

func (e *credentialsError) Error() string { return e.err.Error() }
func (e *credentialsError) Unwrap() error { return e.err }

// errUploadGone: the upload was completed by an attempt that got no answer, or removed as too old. Only the whole upload
// is worth another attempt.
var errUploadGone = errors.New("the multipart upload is gone")

// explain maps an error of the client to those of Store, and says what a person can do about it.
func (s *S3) explain(ctx context.Context, err error) error {
	var creds *credentialsError
	var api smithy.APIError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &creds) && creds.renewal:
		return fmt.Errorf("%w: the access keys could not be renewed: %w", ErrUnavailable, creds.err)
	case errors.As(err, &creds):
		return fmt.Errorf("no access keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile or role: %w", creds.err)
	case errors.As(err, &api):
		return s.explainAPI(api, status(err))
	case status(err) >= 300:
		return s.explainAPI(&smithy.GenericAPIError{Code: http.StatusText(status(err)), Message: "no S3 error in the answer"}, status(err))
	}
	var send *smithyhttp.RequestSendError
	var decode *smithy.DeserializationError
	var network net.Error
	if errors.As(err, &send) || errors.As(err, &decode) || errors.As(err, &network) {
		return fmt.Errorf("%w: %w", ErrUnavailable, shorten(err))
	}
	return err
}

// explainAPI maps what the store itself answered.
func (s *S3) explainAPI(api smithy.APIError, status int) error {
	cause := api.ErrorCode()
	if m := api.ErrorMessage(); m != "" {
		cause += ": " + m
	}
	switch api.ErrorCode() {
	case "NoSuchKey", "NotFound":
		return ErrNotFound
	case "PreconditionFailed":
		return ErrExists
	case "NoSuchUpload":
		return errUploadGone
	case "NoSuchBucket":
		return fmt.Errorf("there is no bucket %s at %s: create it, or correct the address of the store (%s)", s.opts.Bucket, s.where(), cause)
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidClientTokenId", "AuthFailure",
		"XAdminUserNotFound": // versitygw
		return s.refused(cause)
	case "AccessDenied", "Forbidden", "AllAccessDisabled":
		return fmt.Errorf("not allowed: grant what the roles of this process need of s3:GetObject, s3:ListBucket, s3:PutObject, s3:AbortMultipartUpload "+
			"and s3:DeleteObject on bucket %s (%s)", s.opts.Bucket, cause)
	case "RequestTimeTooSkewed":
		return fmt.Errorf("%w: the clock of this machine or of the store is wrong (%s)", ErrUnavailable, cause)
	case "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "Moved Permanently":
		return fmt.Errorf("bucket %s lies in another region or at another endpoint than %s: correct region= or endpoint= in the address of the store (%s)",
			s.opts.Bucket, s.where(), cause)
	case "ConditionalRequestConflict", "OperationAborted", "ExpiredToken", "RequestTimeout", "SlowDown":
		return fmt.Errorf("%w: %s", ErrUnavailable, cause)
	}
	switch {
	case status == http.StatusPreconditionFailed:
		return ErrExists
	case status == http.StatusNotImplemented:
		return fmt.Errorf("the store at %s lacks a part of S3 that is needed (%s)", s.where(), cause)
	case status >= 500, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status == http.StatusConflict:
		return fmt.Errorf("%w: status %d: %s", ErrUnavailable, status, cause)
	}
	return fmt.Errorf("the store refused the request: status %d: %s", status, cause)
}

func (s *S3) where() string {
	if s.opts.Endpoint != "" {
		return s.opts.Endpoint
	}
	return "Amazon S3, region " + s.client.Options().Region
}

func status(err error) int {
	var re *smithyhttp.ResponseError
	if errors.As(err, &re) && re.Response != nil && re.Response.Response != nil {
		return re.HTTPStatusCode()
	}
	return 0
}

// shorten drops what the client wraps around a network error: operation, request id, address.
func shorten(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
