package kylin

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidemarkdb/tidemark/internal/auth"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/server"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Options configure a Handler. The zero value of a field means its default.
type Options struct {
	Catalog  *catalog.Catalog // required
	Building server.Building  // required
	Cubes    Cubes            // required
	Store    blob.Store       // keeps models and saved queries; required
	Query    server.Queries   // nil: this process answers no statements

	MaxBody     int64         // bytes of a request's body; default 4 MiB
	CallTimeout time.Duration // of a request that is no statement; default 30s
	Logger      *slog.Logger  // default: discard
}

// Cubes makes cubes, and the tables that they are of.
type Cubes interface {
	// ApplyTable makes a table, or gives it another version. The definition is valid.
	ApplyTable(ctx context.Context, def *cube.Table) (*server.Applied, error)
	// CloneCube makes a cube with the definition of another. One that exists is a *catalog.ConflictError.
	CloneCube(ctx context.Context, from *cube.Cube, q server.CloneRequest) (*server.AppliedCube, error)
	// ApplyCube makes a cube, or gives it another version. The definition is valid.
	ApplyCube(ctx context.Context, def *cube.Cube) (*server.AppliedCube, error)
}

func (o Options) withDefaults() Options {
	if o.MaxBody == 0 {
		o.MaxBody = 4 << 20
	}
	if o.CallTimeout == 0 {
		o.CallTimeout = 30 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) validate() error {
	if o.Catalog == nil || o.Building == nil || o.Cubes == nil || o.Store == nil {
		return errors.New("kylin: catalog, building, cubes and store must be given")
	}
	return nil
}

// Handler answers below /kylin/api.
type Handler struct {
	o   Options
	mux *http.ServeMux
}

// New returns a Handler.
func New(o Options) (*Handler, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	h := &Handler{o: o, mux: http.NewServeMux()}
	h.routes()
	return h, nil
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

func (h *Handler) routes() {
	open := func(pattern string, do answer) {
		method, path, _ := strings.Cut(pattern, " ")
		h.mux.Handle(method+" /kylin/api"+path, h.handle(do))
	}
	call := func(pattern string, do answer) { open(pattern, h.known(do)) }

	open("GET /user/authentication", h.login)
	open("POST /user/authentication", h.login)
	call("GET /user/authentication/authorities", h.authorities)

	h.queryRoutes()
	call("GET /projects", h.projects)
	call("GET /projects/readable", h.projects)
	call("GET /tables", h.tables)
	call("GET /tables/{project}/{table}", h.showTable)
	call("GET /tables_and_columns", h.tablesAndColumns)
	call("GET /query/tables_and_columns", h.tablesAndColumns)
	call("GET /query/runningQueries", h.running)
	call("PUT /query/{query}/stop", h.stop)
	call("GET /saved_queries", h.savedQueries)
	call("POST /saved_queries", h.saveQuery)
	call("DELETE /saved_queries/{query}", h.removeSavedQuery)

	call("GET /cubes", h.listCubes)
	call("GET /cubes/{cube}", h.showCube)
	call("DELETE /cubes/{cube}", h.dropCube)
	call("PUT /cubes/{cube}/build", h.buildByTime)
	call("PUT /cubes/{cube}/rebuild", h.buildByTime)
	call("PUT /cubes/{cube}/build2", h.buildByOffset)
	call("PUT /cubes/{cube}/rebuild2", h.buildByOffset)
	call("PUT /cubes/{cube}/init_start_offsets", h.initStartOffsets)
	call("GET /cubes/{cube}/holes", h.holes)
	call("PUT /cubes/{cube}/holes", h.fillHoles)
	call("PUT /cubes/{cube}/enable", h.enable)
	call("PUT /cubes/{cube}/disable", h.disable)
	call("PUT /cubes/{cube}/purge", h.purge)
	call("PUT /cubes/{cube}/clone", h.clone)
	call("DELETE /cubes/{cube}/segs/{segment}", h.dropSegment)
	call("DELETE /cubes/{cube}/segs2/{segment}", h.dropSegment)

	call("POST /cubes", h.makeCube)
	call("PUT /cubes", h.changeCube)
	call("GET /cube_desc/{cube}", h.cubeDescs)
	call("GET /cube_desc/{cube}/desc", h.cubeDesc)
	call("GET /models", h.listModels)
	call("GET /model/{model}", h.showModel)
	call("POST /models", h.makeModel)
	call("PUT /models", h.changeModel)
	call("DELETE /models/{model}", h.dropModel)

	call("POST /streaming", h.makeStreaming)
	call("PUT /streaming", h.changeStreaming)
	call("GET /streaming/getConfig", h.streamingConfigs)
	call("GET /streaming/getKfkConfig", h.kafkaConfigs)
	call("DELETE /streaming/{table}", h.dropStreaming)
	call("DELETE /streaming/{project}/{table}", h.dropStreaming)

	call("GET /jobs", h.listJobs)
	call("GET /jobs/{job}", h.showJob)
	call("GET /jobs/{job}/steps/{step}/output", h.stepOutput)
	call("PUT /jobs/{job}/resume", h.resumeJob)
	call("PUT /jobs/{job}/pause", h.pauseJob)
	call("PUT /jobs/{job}/cancel", h.cancelJob)
	call("DELETE /jobs/{job}/drop", h.dropJob)

	h.mux.Handle("/kylin/", h.handle(func(_ http.ResponseWriter, r *http.Request) (any, error) {
		return nil, failed(http.StatusNotFound, "there is no %s %s here; what there is: docs/KYLIN.md", r.Method, r.URL.Path)
	}))
}

// queryRoutes are those that answer statements, whose time the engine bounds.
func (h *Handler) queryRoutes() {
	for pattern, do := range map[string]answer{
		"POST /kylin/api/query": h.query, "POST /kylin/api/query/prestate": h.query, "GET /kylin/api/query/format/csv": h.csv,
	} {
		h.mux.Handle(pattern, h.bounded(0, h.known(do)))
	}
}

// answer returns what becomes JSON; nil is an empty body.
type answer func(w http.ResponseWriter, r *http.Request) (any, error)

// statusError is an error with a status.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

func failed(status int, format string, args ...any) error {
	return &statusError{status, fmt.Errorf(format, args...)}
}

// said is an error in Kylin's own words, which tools look for.
func said(format string, args ...any) error {
	return failed(http.StatusInternalServerError, format, args...)
}

// errorBody is Kylin's shape of an error (K1).
type errorBody struct {
	URL       string `json:"url"`
	Exception string `json:"exception"`
	Code      string `json:"code"`
	Data      any    `json:"data"`
	Msg       string `json:"msg"`
}

func (h *Handler) handle(do answer) http.Handler { return h.bounded(h.o.CallTimeout, do) }

// bounded gives a call a time, unless it is 0, and writes its answer.
func (h *Handler) bounded(limit time.Duration, do answer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if limit > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, limit)
			defer cancel()
			r = r.WithContext(ctx)
		}
		r.Body = http.MaxBytesReader(w, r.Body, h.o.MaxBody)
		v, err := do(w, r)
		if _, ok := v.(written); ok && err == nil {
			return
		}
		status := http.StatusOK
		if err != nil {
			status = http.StatusInternalServerError
			var s *statusError
			if errors.As(err, &s) {
				status = s.status
			}
			text := strings.ReplaceAll(strings.TrimPrefix(err.Error(), "catalog: "), "\n", "; ")
			if c := new(catalog.ConflictError); errors.As(err, &c) {
				text = c.Error() // which call of the catalog refused it is nothing to its user
			}
			v = errorBody{URL: "http://" + r.Host + r.URL.RequestURI(), Exception: text, Code: "999", Msg: text}
			h.o.Logger.LogAttrs(ctx, slog.LevelDebug, "request of a kylin client refused", slog.String("path", r.URL.Path), slog.Int("status", status), slog.Any("err", err))
		}
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.WriteHeader(status)
		if v == nil {
			return
		}
		if err := json.NewEncoder(w).Encode(v); err != nil {
			h.o.Logger.LogAttrs(ctx, slog.LevelDebug, "answer not sent", slog.String("path", r.URL.Path), slog.Any("err", err))
		}
	})
}

// Refuse answers a request that is not looked at, as nobody knows who asks.
func (h *Handler) Refuse(w http.ResponseWriter, r *http.Request, status int, message string) {
	h.handle(func(http.ResponseWriter, *http.Request) (any, error) { return nil, failed(status, "%s", message) }).ServeHTTP(w, r)
}

// readBody reads JSON; no body is an empty object, since enable, disable and purge come without one (K3).
func readBody(r *http.Request, into any) error {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	if len(strings.TrimSpace(string(text))) == 0 {
		return nil
	}
	if !utf8.Valid(text) { // which would be taken for something else
		return failed(http.StatusBadRequest, "the body is not UTF-8")
	}
	if err := json.Unmarshal(text, into); err != nil {
		return failed(http.StatusBadRequest, "the body is not the JSON that is wanted: %v", err)
	}
	return nil
}

// long is Kylin's long: a number, a number in quotes, or null (K2).
type long int64

// UnmarshalJSON fails for what is no whole number of 64 bits.
func (l *long) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	if text == "null" || text == "" {
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	*l = long(n)
	if err != nil {
		return fmt.Errorf("%s is no whole number of 64 bits", b)
	}
	return nil
}

const sessionCookie = "JSESSIONID"

// user is who asks: who has proved it, where there are users; else by Basic credentials, or by the cookie that a log-in has
// set. The cookie holds the name and proves nothing, as nobody need prove anything then (K5).
func user(r *http.Request) (string, bool) {
	if who, ok := auth.From(r.Context()); ok { // who has proved it
		return who.User, true
	}
	if name, _, ok := r.BasicAuth(); ok && name != "" {
		return name, true
	}
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return "", false
	}
	name, err := base64.RawURLEncoding.DecodeString(c.Value)
	return string(name), err == nil && len(name) > 0
}

func by(r *http.Request) string {
	name, _ := user(r)
	return name
}

// known wants credentials.
func (h *Handler) known(do answer) answer {
	return func(w http.ResponseWriter, r *http.Request) (any, error) {
		if _, ok := user(r); !ok {
			return nil, failed(http.StatusUnauthorized, "no credentials were sent: log in, or send Basic ones with the request (curl -u NAME:PASSWORD)")
		}
		return do(w, r)
	}
}

type userDetails struct {
	Username              string              `json:"username"`
	Password              *string             `json:"password"`
	Authorities           []map[string]string `json:"authorities"`
	AccountNonExpired     bool                `json:"accountNonExpired"`
	AccountNonLocked      bool                `json:"accountNonLocked"`
	CredentialsNonExpired bool                `json:"credentialsNonExpired"`
	Enabled               bool                `json:"enabled"`
}

func roles() []string { return []string{"ROLE_ADMIN", "ROLE_ANALYST", "ROLE_MODELER"} }

func (h *Handler) login(w http.ResponseWriter, r *http.Request) (any, error) {
	name, ok := user(r)
	if !ok {
		return nil, failed(http.StatusUnauthorized, "no credentials were sent: send Basic ones (curl -u NAME:PASSWORD)")
	}
	if _, proved := auth.From(r.Context()); !proved {
		http.SetCookie(w, &http.Cookie{
			Name: sessionCookie, Value: base64.RawURLEncoding.EncodeToString([]byte(name)), Path: "/kylin/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
		})
	}
	d := userDetails{Username: name, AccountNonExpired: true, AccountNonLocked: true, CredentialsNonExpired: true, Enabled: true}
	for _, role := range roles() {
		d.Authorities = append(d.Authorities, map[string]string{"authority": role})
	}
	return map[string]userDetails{"userDetails": d}, nil
}

func (h *Handler) authorities(http.ResponseWriter, *http.Request) (any, error) { return roles(), nil }
