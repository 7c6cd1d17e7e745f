package control

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// methodCancel is the one notification that is understood: it gives up the
// request whose id is its parameter "id".
const methodCancel = "rpc.cancel"

// methodEvent is the notification that carries one event of logs.tail.
const methodEvent = "logs.event"

// maxRequestID is the longest id of a request, in bytes.
const maxRequestID = 128

// kind says what a frame is.
type kind uint8

const (
	kindRequests kind = iota // a request or a batch of them
	kindCancel
)

// screen looks at a frame before anything else does. It returns the fault to
// answer with, if there is one; the id is that of the single request concerned
// (of the request to give up, for kindCancel), nil if it is not known.
//
// Duplicate keys are refused since readers differ in which one they take; so
// are requests without id, since nobody would learn what came of them.
func screen(frame []byte) (id json.RawMessage, k kind, fault *Error) {
	if !utf8.Valid(frame) {
		return nil, 0, Errorf(CodeParse, "this is not UTF-8")
	}
	if depth(frame) > MaxDepth {
		return nil, 0, Errorf(CodeInvalidRequest, "the request is nested deeper than %d", MaxDepth)
	}
	if !json.Valid(frame) {
		return nil, 0, Errorf(CodeParse, "this is not JSON").WithHint(`one JSON-RPC 2.0 request a line, for example {"jsonrpc":"2.0","id":1,"method":%q}`, MethodStatus)
	}
	if key, ok := duplicate(frame); ok {
		return nil, 0, Errorf(CodeInvalidRequest, "the key %.40q stands twice in one object", key)
	}
	switch frame[0] {
	case '{':
		return envelope(frame)
	case '[':
		var batch []json.RawMessage
		if err := json.Unmarshal(frame, &batch); err != nil {
			return nil, 0, Errorf(CodeParse, "this is not JSON")
		}
		if len(batch) == 0 || len(batch) > MaxBatch {
			return nil, 0, Errorf(CodeInvalidRequest, "a batch holds 1 to %d requests, not %d", MaxBatch, len(batch))
		}
		for _, one := range batch {
			_, k, fault := envelope(one)
			if fault == nil && k == kindCancel {
				fault = Errorf(CodeInvalidRequest, "%s cannot be part of a batch", methodCancel)
			}
			if fault != nil {
				return nil, 0, fault
			}
		}
		return nil, kindRequests, nil
	}
	return nil, 0, Errorf(CodeInvalidRequest, "a request is an object")
}

// envelope checks one request without its parameters.
func envelope(request []byte) (json.RawMessage, kind, *Error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(request, &fields); err != nil || fields == nil {
		return nil, 0, Errorf(CodeInvalidRequest, "a request is an object")
	}
	id := fields["id"]
	if string(id) == "null" {
		id = nil
	}
	if len(id) > maxRequestID || len(id) > 0 && !strings.ContainsRune(`"-0123456789`, rune(id[0])) {
		return nil, 0, Errorf(CodeInvalidRequest, "the id is neither a text nor a number, or longer than %d bytes", maxRequestID)
	}
	var method string
	if json.Unmarshal(fields["method"], &method) != nil || method == "" {
		return id, 0, Errorf(CodeInvalidRequest, "the request has no method")
	}
	if len(id) > 0 {
		return id, kindRequests, nil
	}
	if method != methodCancel {
		return nil, 0, Errorf(CodeInvalidRequest, "the request has no id")
	}
	var params struct {
		ID json.RawMessage `json:"id"`
	}
	if json.Unmarshal(fields["params"], &params) != nil || len(params.ID) == 0 || len(params.ID) > maxRequestID {
		return nil, 0, Errorf(CodeInvalidRequest, "%s needs the parameter id", methodCancel)
	}
	return params.ID, kindCancel, nil
}

// depth returns how deep brackets outside of strings are nested, whether the
// text is JSON or not.
func depth(text []byte) int {
	deepest, now, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			now++
			deepest = max(deepest, now)
		case c == ']' || c == '}':
			now--
		}
	}
	return deepest
}

// duplicate finds a key that stands twice in one object of valid JSON. Keys are
// equal if they differ in case only, as they are for package json.
func duplicate(text []byte) (string, bool) {
	type level struct {
		keys map[string]bool // nil in an array
		key  bool            // a key comes next
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var stack []level
	for {
		token, err := dec.Token()
		if err != nil {
			return "", false // the end, since the text is valid
		}
		top := len(stack) - 1
		switch t := token.(type) {
		case json.Delim:
			switch t {
			case '{':
				stack = append(stack, level{map[string]bool{}, true})
				continue
			case '[':
				stack = append(stack, level{})
				continue
			}
			stack = stack[:top]
			top--
		case string:
			if top >= 0 && stack[top].key {
				folded := strings.ToLower(t)
				if stack[top].keys[folded] {
					return t, true
				}
				stack[top].keys[folded] = true
				stack[top].key = false
				continue
			}
		}
		// A value ended.
		if top >= 0 && stack[top].keys != nil {
			stack[top].key = true
		}
	}
}

// errorFrame returns a response that says what went wrong.
func errorFrame(id json.RawMessage, e *Error) []byte {
	if len(id) == 0 {
		id = json.RawMessage("null")
	}
	text, err := json.Marshal(e.wire())
	if err != nil {
		text = fmt.Appendf(nil, `{"code":%d,"message":"internal error"}`, CodeInternal)
	}
	return fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"error":%s}`, id, text)
}
