package blob_test

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/tidemarkdb/tidemark/internal/blob"
)

// stubS3 is as much of an S3 server as the client calls, in memory, with places to go wrong.
type stubS3 struct {
	ignorePut, ignoreComplete bool // If-None-Match is not known
	pageSize                  int
	reverse                   bool // lists in the wrong order

	// before sees each request; true means that it has answered. Op is put, get, head, delete, list, begin, part, complete
	// or abort; n counts the requests of one op from 0.
	before func(w http.ResponseWriter, r *http.Request, op string, n int) bool
	// lose breaks the connection after the request took effect.
	lose func(op string, n int) bool

	mu      sync.Mutex
	objects map[string][]byte
	uploads map[string]map[int][]byte
	counts  map[string]int
}

// start serves the stub, and opens a store on it with short waits.
func (s *stubS3) start(t *testing.T, o blob.S3Options) *blob.S3 {
	t.Helper()
	s.objects, s.uploads, s.counts = map[string][]byte{}, map[string]map[int][]byte{}, map[string]int{}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return openStub(t, server.URL, o)
}

func openStub(t *testing.T, endpoint string, o blob.S3Options) *blob.S3 {
	t.Helper()
	o.Bucket, o.Prefix, o.Endpoint, o.Region, o.PathStyle = "bucket", "p", endpoint, "us-east-1", true
	o.Credentials = credentials.NewStaticCredentialsProvider("key", "secret", "")
	if o.Retry.MinBackoff == 0 {
		o.Retry.MinBackoff = time.Microsecond
		o.Retry.MaxBackoff = time.Microsecond
	}
	st, err := blob.NewS3(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func (s *stubS3) count(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[op]
}

func (s *stubS3) open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.uploads)
}

func opOf(r *http.Request) string {
	q := r.URL.Query()
	switch {
	case r.Method == http.MethodPost && q.Has("uploads"):
		return "begin"
	case r.Method == http.MethodPost:
		return "complete"
	case r.Method == http.MethodPut && q.Has("partNumber"):
		return "part"
	case r.Method == http.MethodPut:
		return "put"
	case r.Method == http.MethodDelete && q.Has("uploadId"):
		return "abort"
	case r.Method == http.MethodDelete:
		return "delete"
	case r.Method == http.MethodHead:
		return "head"
	case q.Has("list-type"):
		return "list"
	}
	return "get"
}

func (s *stubS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	op := opOf(r)
	s.mu.Lock()
	n := s.counts[op]
	s.counts[op]++
	s.mu.Unlock()
	if s.before != nil && s.before(w, r, op, n) {
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lose != nil && s.lose(op, n) {
		s.serve(httptest.NewRecorder(), r, op, body)
		panic(http.ErrAbortHandler)
	}
	s.serve(w, r, op, body)
}

func (s *stubS3) serve(w http.ResponseWriter, r *http.Request, op string, body []byte) {
	key := strings.TrimPrefix(r.URL.Path, "/bucket/")
	id := r.URL.Query().Get("uploadId")
	conditional := r.Header.Get("If-None-Match") == "*"
	object, exists := s.objects[key]
	switch op {
	case "put":
		if exists && conditional && !s.ignorePut {
			stubError(w, http.StatusPreconditionFailed, "PreconditionFailed")
			return
		}
		s.objects[key] = body
	case "begin":
		id = strconv.Itoa(s.counts["begin"])
		s.uploads[id] = map[int][]byte{}
		fmt.Fprintf(w, "<InitiateMultipartUploadResult><UploadId>%s</UploadId></InitiateMultipartUploadResult>", id)
	case "part", "complete", "abort":
		s.serveUpload(w, r, stubUpload{op, id, key}, body)
	case "delete":
		delete(s.objects, key)
		w.WriteHeader(http.StatusNoContent)
	case "list":
		s.serveList(w, r)
	default:
		if !exists {
			stubError(w, http.StatusNotFound, "NoSuchKey")
			return
		}
		http.ServeContent(w, r, "", time.Unix(1e9, 0), strings.NewReader(string(object)))
	}
}

// stubUpload is a request that concerns a multipart upload.
type stubUpload struct{ op, id, key string }

func (s *stubS3) serveUpload(w http.ResponseWriter, r *http.Request, u stubUpload, body []byte) {
	op, id, key := u.op, u.id, u.key
	upload, ok := s.uploads[id]
	if !ok {
		stubError(w, http.StatusNotFound, "NoSuchUpload")
		return
	}
	switch op {
	case "part":
		n, err := strconv.Atoi(r.URL.Query().Get("partNumber"))
		if err != nil {
			stubError(w, http.StatusBadRequest, "InvalidArgument")
			return
		}
		upload[n] = body
		sum := md5.Sum(body)
		w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:])+`"`)
	case "abort":
		delete(s.uploads, id)
		w.WriteHeader(http.StatusNoContent)
	case "complete":
		if _, exists := s.objects[key]; exists && r.Header.Get("If-None-Match") == "*" && !s.ignoreComplete {
			stubError(w, http.StatusPreconditionFailed, "PreconditionFailed")
			return
		}
		var list struct {
			Part []struct{ PartNumber int }
		}
		if err := xml.Unmarshal(body, &list); err != nil {
			stubError(w, http.StatusBadRequest, "MalformedXML")
			return
		}
		var object []byte
		for _, part := range list.Part {
			object = append(object, upload[part.PartNumber]...)
		}
		s.objects[key] = object
		delete(s.uploads, id)
		fmt.Fprint(w, "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>")
	}
}

func (s *stubS3) serveList(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	keys := slices.DeleteFunc(slices.Sorted(maps.Keys(s.objects)), func(key string) bool {
		return !strings.HasPrefix(key, q.Get("prefix")) || key <= q.Get("continuation-token")
	})
	next := ""
	if s.pageSize > 0 && len(keys) > s.pageSize {
		keys = keys[:s.pageSize]
		next = fmt.Sprintf("<IsTruncated>true</IsTruncated><NextContinuationToken>%s</NextContinuationToken>", keys[s.pageSize-1])
	}
	if s.reverse {
		slices.Reverse(keys)
	}
	fmt.Fprint(w, "<ListBucketResult>")
	for _, key := range keys {
		fmt.Fprintf(w, "<Contents><Key>%s</Key><Size>%d</Size><LastModified>2026-01-01T00:00:00Z</LastModified></Contents>", key, len(s.objects[key]))
	}
	fmt.Fprint(w, next, "</ListBucketResult>")
}

func stubError(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>from the stub</Message></Error>", code)
}
