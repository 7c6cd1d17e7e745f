package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/creachadair/jrpc2"
)

// Code says what kind of error a request met. The numbers are those on the
// wire: JSON-RPC's own, and ours from -32001 down.
type Code int

// The codes.
const (
	CodeParse          Code = -32700 // not JSON
	CodeInvalidRequest Code = -32600 // JSON, but not a request
	CodeMethodNotFound Code = -32601
	CodeInvalidParams  Code = -32602
	CodeInternal       Code = -32603
	// CodeNotFound: no threat, rule, block or source is called that.
	CodeNotFound Code = -32001
	// CodeRefused: understood, permitted, and not done, for the reason given.
	CodeRefused Code = -32002
	// CodeDenied: the caller may not.
	CodeDenied Code = -32003
	// CodeBusy: too many at once; try again.
	CodeBusy Code = -32004
	// CodeTooLarge: the answer would exceed MaxFrame; ask for less.
	CodeTooLarge Code = -32005
	// CodeAmbiguous: several are called that; Candidates has some.
	CodeAmbiguous Code = -32006
	// CodeUnavailable: this part of the agent does not work now.
	CodeUnavailable Code = -32007
	// CodeCancelled and CodeDeadline: the request was given up.
	CodeCancelled Code = -32097
	CodeDeadline  Code = -32096
)

// Error is an error with what the other side should know of it.
type Error struct {
	Code    Code
	Message string
	// Hint says what would be right; it may be empty.
	Hint string
	// Candidates has names that could have been meant; it may be empty.
	Candidates []string
}

// Error returns the message and the hint.
func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + " (" + e.Hint + ")"
}

// Errorf returns an Error without a hint.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// WithHint returns a copy of e with a hint.
func (e *Error) WithHint(format string, args ...any) *Error {
	d := *e
	d.Hint = fmt.Sprintf(format, args...)
	return &d
}

// CodeOf returns the code of the first Error that err wraps, CodeInternal for
// any other error and 0 for nil.
func CodeOf(err error) Code {
	var e *Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return e.Code
	case errors.Is(err, context.Canceled):
		return CodeCancelled
	case errors.Is(err, context.DeadlineExceeded):
		return CodeDeadline
	}
	return CodeInternal
}

// errorData is the data member of an error on the wire.
type errorData struct {
	Hint       string   `json:"hint,omitempty"`
	Candidates []string `json:"candidates,omitempty"`
}

// wire returns e as it is sent.
func (e *Error) wire() *jrpc2.Error {
	w := &jrpc2.Error{Code: jrpc2.Code(e.Code), Message: e.Message}
	if e.Hint == "" && len(e.Candidates) == 0 {
		return w
	}
	return w.WithData(errorData{e.Hint, e.Candidates})
}

// fromWire returns an error that came over the wire. Data of a form that is not
// ours is left out.
func fromWire(code Code, message string, raw json.RawMessage) *Error {
	e := &Error{Code: code, Message: message}
	var data errorData
	if json.Unmarshal(raw, &data) == nil {
		e.Hint, e.Candidates = data.Hint, data.Candidates
	}
	return e
}
