package server

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tidemarkdb/tidemark/internal/auth"
)

// refuser is what is mounted and says no in its own words.
type refuser interface {
	Refuse(w http.ResponseWriter, r *http.Request, status int, message string)
}

// authenticated has every request say who asks (R7). What asks from within the process has said it already.
func (s *Server) authenticated(next http.Handler) http.Handler {
	if s.opts.Auth == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, known := auth.From(r.Context())
		// Probes bring no credentials: /healthz tells nothing, and /readyz no reasons to those whom nobody knows.
		open := r.URL.Path == "/healthz" || r.URL.Path == "/readyz" && r.Header.Get("Authorization") == ""
		if known || open {
			next.ServeHTTP(w, r)
			return
		}
		who, err := s.identify(r)
		if err != nil {
			s.turnAway(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(auth.With(r.Context(), who)))
	})
}

// errNobody says that a request does not say who asks.
var errNobody = errors.New("say who you are: Basic credentials of a user (curl -u NAME, or --user and TIDEMARK_PASSWORD), or a bearer token (TIDEMARK_TOKEN)")

func (s *Server) identify(r *http.Request) (auth.Identity, error) {
	header := r.Header.Get("Authorization")
	if scheme, token, ok := strings.Cut(header, " "); ok && strings.EqualFold(scheme, "Bearer") {
		return s.opts.Auth.Token(r.RemoteAddr, strings.TrimSpace(token))
	}
	name, password, ok := r.BasicAuth()
	if !ok {
		return auth.Identity{}, errNobody
	}
	return s.opts.Auth.Password(r.Context(), r.RemoteAddr, name, password)
}

// turnAway says why a request is not looked at, in the words of what it asked for.
func (s *Server) turnAway(w http.ResponseWriter, r *http.Request, err error) {
	e := asError(err)
	var limited *auth.LimitedError
	switch {
	case errors.Is(err, errNobody), errors.Is(err, auth.ErrRefused):
		e = &Error{Status: http.StatusUnauthorized, Code: "unauthorized", Message: err.Error()}
		w.Header().Add("WWW-Authenticate", `Basic realm="tidemark", charset="UTF-8"`)
		w.Header().Add("WWW-Authenticate", `Bearer realm="tidemark"`)
	case errors.As(err, &limited):
		e = &Error{Status: http.StatusTooManyRequests, Code: "limited", Message: err.Error()}
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(limited.Wait.Seconds()))))
	case errors.Is(err, auth.ErrBusy):
		e = &Error{Status: http.StatusServiceUnavailable, Code: "busy", Message: err.Error()}
		w.Header().Set("Retry-After", "1")
	}
	bound(w, time.Now().Add(writeTime)) // whoever is not known does not hold a connection
	if h, _ := s.mux.Handler(r); h != nil {
		if own, ok := h.(refuser); ok {
			own.Refuse(w, r, e.Status, e.Message)
			return
		}
	}
	s.write(w, r, e.Status, ErrorBody{Error: e})
}

// NoUsers is why an address is refused, and what to do (R4).
func NoUsers(what, address, danger string) error {
	return fmt.Errorf("%s address %q is refused: whoever reaches it could %s. Listen on 127.0.0.1; or give users and TLS: "+
		"tidemark user add NAME --auth-file users.yaml, then --auth-file users.yaml --tls-cert cert.pem --tls-key key.pem", what, address, danger)
}
