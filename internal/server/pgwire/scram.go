package pgwire

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tidemarkdb/tidemark/internal/auth"
)

// maxProof is how long a message of whoever is not known yet may be, in bytes.
const maxProof = 16 << 10

// authenticate has a client prove that he is name. A password never crosses the wire.
func (x *session) authenticate(name string) error {
	if x.srv.opts.Auth == nil {
		return nil
	}
	x.b.SetMaxBodyLen(maxProof)
	defer x.b.SetMaxBodyLen(x.srv.opts.MessageBytes)
	e := x.srv.opts.Auth.Scram(x.conn.RemoteAddr().String(), name)
	m, err := x.ask(pgproto3.AuthTypeSASL, &pgproto3.AuthenticationSASL{AuthMechanisms: []string{auth.Mechanism}})
	if err != nil {
		return err
	}
	first, ok := m.(*pgproto3.SASLInitialResponse)
	if !ok || first.AuthMechanism != auth.Mechanism {
		return &failure{code: "28000", message: "this server asks for a password by " + auth.Mechanism + " and by nothing else"}
	}
	answer, err := e.First(first.Data)
	if err != nil {
		return unproven(err, name)
	}
	if m, err = x.ask(pgproto3.AuthTypeSASLContinue, &pgproto3.AuthenticationSASLContinue{Data: answer}); err != nil {
		return err
	}
	last, ok := m.(*pgproto3.SASLResponse)
	if !ok {
		return &failure{code: "08P01", message: "the last message of " + auth.Mechanism + " is wanted"}
	}
	if answer, _, err = e.Final(last.Data); err != nil {
		return unproven(err, name)
	}
	x.out.send(&pgproto3.AuthenticationSASLFinal{Data: answer})
	return nil
}

// ask sends a step of a proof and waits for the answer to it.
func (x *session) ask(kind uint32, step pgproto3.BackendMessage) (pgproto3.FrontendMessage, error) {
	x.out.send(step)
	if err := x.out.flush(); err != nil {
		return nil, err
	}
	if err := x.b.SetAuthType(kind); err != nil {
		return nil, err
	}
	m, err := x.b.Receive()
	var long *pgproto3.ExceededMaxBodyLenErr
	switch {
	case errors.As(err, &long):
		return nil, &failure{code: "08P01", message: fmt.Sprintf("a proof of %d bytes, at most %d", long.ActualBodyLen, long.MaxExpectedBodyLen)}
	case err != nil && !isEOF(err):
		return nil, &failure{code: "08P01", message: "the message is not understood: " + err.Error()}
	}
	return m, err
}

// unproven gives a failed proof its SQLSTATE.
func unproven(err error, name string) error {
	var limited *auth.LimitedError
	switch {
	case errors.Is(err, auth.ErrRefused):
		return &failure{code: "28P01", message: fmt.Sprintf("password authentication failed for user %q", name)}
	case errors.As(err, &limited):
		return &failure{code: "53300", message: err.Error()}
	}
	return &failure{code: "08P01", message: err.Error()}
}
