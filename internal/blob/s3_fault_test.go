package blob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/internal/blob"
)

func TestS3Stub(t *testing.T) {
	conform(t, func(t *testing.T) blob.Store {
		stub := &stubS3{pageSize: 2}
		t.Cleanup(func() {
			if n := stub.open(); n != 0 {
				t.Errorf("%d multipart uploads are left", n)
			}
		})
		return stub.start(t, blob.S3Options{PartBytes: 5 << 20})
	})
}

// B1: a store that replaces objects is refused, whichever of the two ways of creating them does it.
func TestCheckRefusesStoreThatReplaces(t *testing.T) {
	for _, c := range []struct {
		stub *stubS3
		want string
	}{
		{&stubS3{ignorePut: true}, "PutObject"},
		{&stubS3{ignoreComplete: true}, "CompleteMultipartUpload"},
	} {
		st := c.stub.start(t, blob.S3Options{})
		retry, err := blob.NewRetry(st, blob.RetryOptions{})
		if err != nil {
			t.Fatal(err)
		}
		err = blob.Check(t.Context(), retry, blob.Deletes)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "If-None-Match") {
			t.Errorf("got %v, want an error that names %s and If-None-Match", err, c.want)
		}
		if got := list(t, st, ""); got != nil {
			t.Errorf("%s: the check left %q", c.want, got)
		}
		create(t, st, blob.MarkerKey, string(blob.Marker("cat1")))
		err = blob.Check(t.Context(), retry, blob.Writes)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("who removes nothing: got %v, want an error that names %s", err, c.want)
		}
		if owner, err := blob.ReadClaim(t.Context(), st); owner != "cat1" || err != nil {
			t.Errorf("%s: the store belongs to %q, %v after the check", c.want, owner, err)
		}
	}
}

// Who has fewer rights tries nothing that wants more: reading makes no write, and writing removes nothing and leaves nothing.
func TestCheckTriesNoMoreThanItsRights(t *testing.T) {
	writes := []string{"put", "begin", "part", "complete"}
	for _, c := range []struct {
		may    blob.Rights
		denied []string // what the store's user may not do
	}{
		{blob.Reads, append(writes, "abort", "delete")},
		{blob.Writes, []string{"delete"}},
		{blob.Deletes, nil},
	} {
		stub := &stubS3{}
		stub.before = func(w http.ResponseWriter, _ *http.Request, op string, _ int) bool {
			denied := slices.Contains(c.denied, op)
			if denied {
				stubError(w, http.StatusForbidden, "AccessDenied")
			}
			return denied
		}
		st := stub.start(t, blob.S3Options{})
		stub.objects["p/"+blob.MarkerKey] = blob.Marker("cat1")
		if err := blob.Check(t.Context(), st, c.may); err != nil {
			t.Errorf("rights %d: %v", c.may, err)
		}
		for _, op := range c.denied {
			if n := stub.count(op); n != 0 {
				t.Errorf("rights %d: %d calls of %s", c.may, n, op)
			}
		}
		if owner, err := blob.ReadClaim(t.Context(), st); owner != "cat1" || err != nil || len(stub.objects) != 1 || stub.open() != 0 {
			t.Errorf("rights %d: it left %d objects and %d uploads, of catalog %q, %v", c.may, len(stub.objects), stub.open(), owner, err)
		}
		if c.may == blob.Reads {
			continue
		}
		c.denied = append(c.denied, writes...) // the rights that it does want are tried
		if err := blob.Check(t.Context(), st, c.may); err == nil || !strings.Contains(err.Error(), "s3:PutObject") {
			t.Errorf("rights %d without writing: got %v, want an error that names s3:PutObject", c.may, err)
		}
	}
}

// Without the right to list, S3 does not say that an object is not there.
func TestCheckWantsListing(t *testing.T) {
	stub := &stubS3{before: func(w http.ResponseWriter, _ *http.Request, op string, _ int) bool {
		if op == "list" {
			stubError(w, http.StatusForbidden, "AccessDenied")
		}
		return op == "list"
	}}
	if err := blob.Check(t.Context(), stub.start(t, blob.S3Options{}), blob.Reads); err == nil || !strings.Contains(err.Error(), "s3:ListBucket") {
		t.Errorf("got %v, want an error that names s3:ListBucket", err)
	}
}

// What the server says is what a person reads, with what to do; only passing troubles are ErrUnavailable.
func TestS3Errors(t *testing.T) {
	for _, c := range []struct {
		status   int
		code     string
		sentinel error
		want     string
	}{
		{403, "SignatureDoesNotMatch", nil, "AWS_SECRET_ACCESS_KEY"},
		{403, "InvalidAccessKeyId", nil, "refuses access key key for bucket bucket: check AWS_ACCESS_KEY_ID"},
		{403, "AccessDenied", nil, "s3:PutObject"},
		{404, "NoSuchBucket", nil, "no bucket bucket at http://127.0.0.1"},
		{301, "PermanentRedirect", nil, "region="},
		{400, "AuthorizationHeaderMalformed", nil, "region="},
		{501, "NotImplemented", nil, "lacks a part of S3"},
		{400, "InvalidRequest", nil, "InvalidRequest: from the stub"},
		{412, "PreconditionFailed", blob.ErrExists, ""},
		{409, "ConditionalRequestConflict", blob.ErrUnavailable, ""},
		{503, "SlowDown", blob.ErrUnavailable, "SlowDown"},
		{500, "InternalError", blob.ErrUnavailable, "status 500"},
		{502, "", blob.ErrUnavailable, "502"},
		{429, "", blob.ErrUnavailable, "429"},
		{400, "ExpiredToken", blob.ErrUnavailable, ""},
		{403, "RequestTimeTooSkewed", blob.ErrUnavailable, "clock"},
	} {
		stub := &stubS3{before: func(w http.ResponseWriter, _ *http.Request, _ string, _ int) bool {
			if c.code == "" {
				w.WriteHeader(c.status)
				fmt.Fprint(w, "<html>a proxy</html>")
			} else {
				stubError(w, c.status, c.code)
			}
			return true
		}}
		st := stub.start(t, blob.S3Options{Retry: blob.RetryOptions{MaxAttempts: 3}})
		err := st.Create(t.Context(), "a/b", strings.NewReader("x"))
		if err == nil || !strings.Contains(err.Error(), "create s3://bucket/p/a/b: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d %s: got %v, want it to say %q", c.status, c.code, err, c.want)
		}
		for _, sentinel := range []error{blob.ErrNotFound, blob.ErrExists, blob.ErrUnavailable} {
			if errors.Is(err, sentinel) != (sentinel == c.sentinel) {
				t.Errorf("%d %s: is %v: %t", c.status, c.code, sentinel, errors.Is(err, sentinel))
			}
		}
		want := 1
		if c.sentinel == blob.ErrUnavailable {
			want = 3
		}
		if got := stub.count("put"); got != want {
			t.Errorf("%d %s: %d attempts, want %d", c.status, c.code, got, want)
		}
	}
}

// Keys that are wrong from the start are a mistake; those that the store took before are waited for, and what is in hand with
// them.
func TestS3KeysThatBecomeWrong(t *testing.T) {
	var refuse atomic.Bool
	stub := &stubS3{before: func(w http.ResponseWriter, _ *http.Request, _ string, _ int) bool {
		if refuse.Load() {
			stubError(w, http.StatusForbidden, "SignatureDoesNotMatch")
		}
		return refuse.Load()
	}}
	st := stub.start(t, blob.S3Options{Retry: blob.RetryOptions{MaxAttempts: 2}})
	for i, refused := range []bool{false, true, false} {
		refuse.Store(refused)
		err := st.Create(t.Context(), fmt.Sprint(i), strings.NewReader("x"))
		if errors.Is(err, blob.ErrUnavailable) != refused || (err != nil) != refused || refused && !strings.Contains(err.Error(), "refuses access key key for bucket bucket") {
			t.Errorf("call %d: got %v; refused: %t", i, err, refused)
		}
	}
}

// An endpoint where nobody listens is given up after the attempts, with the cause.
func TestS3DeadEndpoint(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	st := openStub(t, "http://"+address, blob.S3Options{})
	retry, err := blob.NewRetry(st, blob.RetryOptions{MaxAttempts: 2, MinBackoff: time.Microsecond})
	if err != nil {
		t.Fatal(err)
	}
	_, openErr := retry.Open(t.Context(), "a", 0, -1)
	for _, err := range []error{openErr, retry.Create(t.Context(), "a", strings.NewReader("x")), blob.Check(t.Context(), retry, blob.Deletes)} {
		if !errors.Is(err, blob.ErrUnavailable) || !strings.Contains(err.Error(), "connection refused") || !strings.Contains(err.Error(), address) {
			t.Errorf("got %v, want ErrUnavailable, the address and the cause", err)
		}
	}
	for _, err := range retry.List(t.Context(), "") {
		if !errors.Is(err, blob.ErrUnavailable) {
			t.Errorf("list: got %v, want ErrUnavailable", err)
		}
	}
}

// A call that hangs is cut off after CallTimeout and repeated.
func TestS3Hangs(t *testing.T) {
	for _, op := range []string{"put", "get", "part", "complete", "list"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel() // it mostly waits
			release := make(chan struct{})
			stub := &stubS3{before: func(_ http.ResponseWriter, r *http.Request, got string, n int) bool {
				if got == op && n == 0 {
					io.Copy(io.Discard, r.Body)
					<-release
					return true
				}
				return false
			}}
			o := blob.S3Options{PartBytes: 5 << 20, CallTimeout: 2 * time.Second}
			o.Retry = blob.RetryOptions{MaxAttempts: 1000, MaxElapsed: time.Hour} // a slow machine is no failure
			st := newRetry(t, stub.start(t, o), o.Retry)
			t.Cleanup(func() { close(release) }) // before the server waits for its handlers
			body := "small"
			if op == "part" || op == "complete" {
				body = strings.Repeat("x", 5<<20+1)
			}
			create(t, st, "a/b", body)
			if got := read(t, st, "a/b", 0, -1); got != body {
				t.Errorf("read %d bytes, want %d", len(got), len(body))
			}
			if got := list(t, st, ""); len(got) != 1 {
				t.Errorf("listed %q", got)
			}
			if got := stub.count(op); got < 2 {
				t.Errorf("%d calls, so none was repeated", got)
			}
		})
	}
}

// B3: the answer is lost after the object was made. A retry finds its own work and calls it done; another's object is
// still a conflict.
func TestS3LostAnswer(t *testing.T) {
	for _, size := range []int{10, 5<<20 + 1} {
		for _, op := range []string{"put", "complete"} {
			stub := &stubS3{lose: func(got string, n int) bool { return got == op && n == 0 }}
			st := stub.start(t, blob.S3Options{PartBytes: 5 << 20})
			retry, err := blob.NewRetry(st, blob.RetryOptions{MinBackoff: time.Microsecond})
			if err != nil {
				t.Fatal(err)
			}
			body := strings.Repeat("x", size)
			if err := retry.Create(t.Context(), "a/b", strings.NewReader(body)); err != nil {
				t.Errorf("%s of %d bytes: %v", op, size, err)
			}
			if got := read(t, st, "a/b", 0, -1); got != body {
				t.Errorf("%s of %d bytes: read %d bytes", op, size, len(got))
			}
			if err := retry.Create(t.Context(), "a/b", strings.NewReader(body)); !errors.Is(err, blob.ErrExists) {
				t.Errorf("%s of %d bytes: another create: got %v, want ErrExists", op, size, err)
			}
		}
	}
}

// A download that breaks or stalls goes on where it stopped.
func TestS3ResumesReads(t *testing.T) {
	body := make([]byte, 300_000)
	for i := range body {
		body[i] = byte(i * 7 >> 3)
	}
	for _, stall := range []bool{false, true} {
		stub := &stubS3{before: func(w http.ResponseWriter, r *http.Request, op string, n int) bool {
			if op != "get" || n >= 2 {
				return false
			}
			from := n * 100_000
			w.Header().Set("Content-Length", fmt.Sprint(len(body)-from))
			w.WriteHeader(http.StatusPartialContent)
			w.Write(body[from : from+100_000])
			w.(http.Flusher).Flush()
			if stall {
				<-r.Context().Done()
			}
			panic(http.ErrAbortHandler)
		}}
		st := stub.start(t, blob.S3Options{ReadTimeout: 200 * time.Millisecond})
		create(t, st, "a", string(body))
		if got := read(t, st, "a", 0, -1); got != string(body) {
			t.Errorf("stall=%t: read %d bytes, not what was written (%d)", stall, len(got), len(body))
		}
		if got := stub.count("get"); got != 3 {
			t.Errorf("stall=%t: %d requests, want 3", stall, got)
		}
	}
}

func TestS3GivesUpReading(t *testing.T) {
	stub := &stubS3{before: func(w http.ResponseWriter, _ *http.Request, op string, _ int) bool {
		if op == "get" {
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		return false
	}}
	st := stub.start(t, blob.S3Options{Retry: blob.RetryOptions{MaxAttempts: 3}})
	create(t, st, "a", "x")
	r, err := st.Open(t.Context(), "a", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadAll(r); !errors.Is(err, blob.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	if got := stub.count("get"); got != 3 {
		t.Errorf("%d requests, want 3", got)
	}
}

// A cancelled upload removes its parts, and so does one that a part fails of.
func TestS3AbortsUploads(t *testing.T) {
	body := bytes.Repeat([]byte("x"), 16<<20)
	for _, cancelled := range []bool{true, false} {
		ctx, cancel := context.WithCancel(t.Context())
		stub := &stubS3{before: func(w http.ResponseWriter, r *http.Request, op string, n int) bool {
			if op != "part" || n != 2 {
				return false
			}
			io.Copy(io.Discard, r.Body) // or the client sees a broken connection instead of the answer
			if cancelled {
				cancel()
			} else {
				stubError(w, http.StatusForbidden, "AccessDenied")
			}
			return true
		}}
		st := stub.start(t, blob.S3Options{PartBytes: 5 << 20})
		err := st.Create(ctx, "a/b", bytes.NewReader(body))
		if cancelled != errors.Is(err, context.Canceled) || err == nil {
			t.Errorf("cancelled=%t: got %v", cancelled, err)
		}
		if n := stub.open(); n != 0 || stub.count("begin") != 1 {
			t.Errorf("cancelled=%t: %d of %d uploads are left", cancelled, n, stub.count("begin"))
		}
		if got := list(t, st, ""); got != nil {
			t.Errorf("cancelled=%t: left %q", cancelled, got)
		}
		cancel()
	}
}

// A part that the store still writes while its upload is aborted can bring the upload back, as S3 warns: it is awaited.
func TestS3AwaitsPartsBeforeAbort(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var stub *stubS3
	written, aborted := make(chan struct{}), make(chan struct{})
	stub = &stubS3{before: func(w http.ResponseWriter, r *http.Request, op string, n int) bool {
		if op == "abort" && n == 0 {
			close(aborted)
		}
		if op != "part" || n != 1 {
			return false
		}
		defer close(written)
		io.Copy(io.Discard, r.Body)
		cancel()
		select { // an abort that does not wait arrives
		case <-aborted:
		case <-time.After(100 * time.Millisecond):
		}
		stub.mu.Lock()
		defer stub.mu.Unlock()
		stub.uploads[r.URL.Query().Get("uploadId")] = map[int][]byte{}
		return true
	}}
	st := stub.start(t, blob.S3Options{PartBytes: 5 << 20})
	if err := st.Create(ctx, "a/b", bytes.NewReader(make([]byte, 11<<20))); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	<-written
	if n := stub.open(); n != 0 {
		t.Errorf("%d of %d uploads are left", n, stub.count("begin"))
	}
}

// A part that waits for its turn is not sent once its upload has ended.
func TestS3SendsNoPartAfterTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	stub := &stubS3{before: func(_ http.ResponseWriter, _ *http.Request, op string, _ int) bool {
		if op == "part" {
			cancel()
		}
		return false
	}}
	st := stub.start(t, blob.S3Options{PartBytes: 5 << 20, UploadParts: 1})
	if err := st.Create(ctx, "a/b", bytes.NewReader(make([]byte, 16<<20))); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if n := stub.count("part"); n != 1 {
		t.Errorf("%d parts were sent, want 1", n)
	}
}

// Pages are put together; keys of others are passed over; an order that is not ours is an error, not a wrong answer.
func TestS3List(t *testing.T) {
	stub := &stubS3{pageSize: 3}
	st := stub.start(t, blob.S3Options{})
	var want []string
	for i := range 10 {
		key := fmt.Sprintf("x/%d", i)
		create(t, st, key, "x")
		want = append(want, key)
	}
	stub.mu.Lock()
	stub.objects["p/x/"], stub.objects["p/x/5/../6"], stub.objects["q/x/1"] = nil, nil, nil
	stub.mu.Unlock()
	if diff := cmp.Diff(want, list(t, st, "x/")); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	if got := stub.count("list"); got != 4 {
		t.Errorf("%d pages were read, want 4", got)
	}
	stub.reverse = true
	var err error
	for _, err = range st.List(t.Context(), "") {
		if err != nil {
			break
		}
	}
	if err == nil || !strings.Contains(err.Error(), "order") {
		t.Errorf("list in the wrong order: got %v, want an error", err)
	}
}

// Keys that nobody has set do not come by waiting; those that there were may come again.
func TestS3WithoutKeys(t *testing.T) {
	keys := new(fewKeys)
	st, err := blob.NewS3(t.Context(), blob.S3Options{
		Bucket: "bucket", Endpoint: "http://127.0.0.1:1", Credentials: keys, Retry: blob.RetryOptions{MaxAttempts: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		has         int
		unavailable bool
		want        string
	}{
		{0, false, "no access keys: set AWS_ACCESS_KEY_ID"},
		{1, true, "connection refused"},
		{0, true, "the access keys could not be renewed: "},
	} {
		keys.left = c.has
		err := st.Create(t.Context(), "a", strings.NewReader("x"))
		if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, blob.ErrUnavailable) != c.unavailable {
			t.Errorf("with %d keys: got %v, want %q, ErrUnavailable: %t", c.has, err, c.want, c.unavailable)
		}
	}
}

// fewKeys gives keys that have run out already, so that each call asks for others.
type fewKeys struct{ left int }

func (k *fewKeys) Retrieve(context.Context) (aws.Credentials, error) {
	if k.left--; k.left < 0 {
		return aws.Credentials{}, errors.New("no provider has any")
	}
	return aws.Credentials{AccessKeyID: "key", SecretAccessKey: "secret", CanExpire: true}, nil
}
