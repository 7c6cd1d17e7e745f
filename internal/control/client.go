package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// DialError says why the agent cannot be reached, and what to do about it.
type DialError struct {
	Path string
	// NotRunning: nobody listens there. Denied: the file's mode forbids it.
	NotRunning, Denied bool
	Hint               string
	Err                error
}

// Error returns what is wrong and what to do.
func (e *DialError) Error() string {
	switch {
	case e.NotRunning:
		return fmt.Sprintf("the agent is not running: nobody listens on %s (%s)", e.Path, e.Hint)
	case e.Denied:
		return fmt.Sprintf("you may not talk to the agent on %s (%s)", e.Path, e.Hint)
	}
	return fmt.Sprintf("connecting to the agent on %s: %v", e.Path, e.Err)
}

// Unwrap returns the cause.
func (e *DialError) Unwrap() error { return e.Err }

// Client talks to an agent. Its methods may be called by many goroutines; calls
// wait for each other. A connection that broke is made anew by the next call.
type Client struct {
	path string

	mu   sync.Mutex
	wire *wire
	last int64
}

// wire is the client's end of a connection.
type wire struct {
	conn  net.Conn
	lines lines
}

// Dial connects to the agent whose socket is at path. Its error is a
// *DialError.
func Dial(ctx context.Context, path string) (*Client, error) {
	w, err := dial(ctx, path)
	if err != nil {
		return nil, err
	}
	return &Client{path: path, wire: w}, nil
}

func dial(ctx context.Context, path string) (*wire, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	for tries := 0; errors.Is(err, syscall.EAGAIN) && tries < 100; tries++ {
		// As many as may are waiting to be accepted.
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		conn, err = d.DialContext(ctx, "unix", path)
	}
	if err == nil {
		return &wire{conn, lines{bufio.NewReaderSize(conn, 16<<10), MaxFrame}}, nil
	}
	e := &DialError{Path: path, Err: err}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		e.NotRunning = true
		e.Hint = "start it with 'sentinelctl start', or name its socket with --socket"
	case errors.Is(err, fs.ErrPermission):
		e.Denied = true
		e.Hint = fmt.Sprintf("run this as root, or become a member of its group with 'usermod -aG %s %s' and log in again", DefaultGroup, userName())
	}
	return nil, e
}

func userName() string {
	if name := os.Getenv("USER"); name != "" && len(name) <= 32 {
		return name
	}
	return "USER"
}

// Close ends the connection. Calls that are under way fail.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wire == nil {
		return nil
	}
	err := c.wire.conn.Close()
	c.wire = nil
	return err
}

// message is what comes from the agent: a response or a notification.
type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Code    Code            `json:"code"`
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data"`
	} `json:"error"`
}

// call asks method with params and reads the answer into result.
func (c *Client) call(ctx context.Context, method string, params, result any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wire == nil {
		w, err := dial(ctx, c.path)
		if err != nil {
			return err
		}
		c.wire = w
	}
	c.last++
	m, err := c.wire.ask(ctx, c.last, method, params, nil)
	var e *Error
	if err != nil && (!errors.As(err, &e) || m == nil) {
		// What is left of the conversation cannot be told apart.
		_ = c.wire.conn.Close()
		c.wire = nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(m.Result, result); err != nil {
		return fmt.Errorf("reading the answer to %s: %w", method, err)
	}
	return nil
}

// ask sends a request and waits for its answer; event gets the notifications
// before it. An *Error with a message is the answer to this request, one
// without concerns the connection.
func (w *wire) ask(ctx context.Context, id int64, method string, params any, event func(json.RawMessage) error) (*message, error) {
	defer context.AfterFunc(ctx, func() { _ = w.conn.SetDeadline(time.Unix(1, 0)) })()
	fail := func(err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
			return Errorf(CodeUnavailable, "the agent closed the connection").WithHint("it may be restarting: try again")
		}
		return fmt.Errorf("talking to the agent: %w", err)
	}
	request := map[string]any{"jsonrpc": "2.0", "id": id, "method": method}
	if params != nil {
		request["params"] = params
	}
	text, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("encoding the request %s: %w", method, err)
	}
	if _, err := w.conn.Write(append(text, '\n')); err != nil && !errors.Is(err, syscall.EPIPE) {
		return nil, fail(err) // after EPIPE, the agent may have said why
	}
	want := strconv.AppendInt(nil, id, 10)
	for {
		frame, err := w.lines.next()
		if err != nil {
			return nil, fail(err)
		}
		m := &message{}
		if err := json.Unmarshal(frame, m); err != nil {
			return nil, fmt.Errorf("reading the answer to %s: %w", method, err)
		}
		ours := bytes.Equal(m.ID, want)
		switch {
		case m.Error != nil && (ours || len(m.ID) == 0 || string(m.ID) == "null"):
			e := fromWire(m.Error.Code, m.Error.Message, m.Error.Data)
			if !ours {
				return nil, e
			}
			return m, e
		case ours:
			return m, nil
		case m.Method != "" && event != nil:
			if err := event(m.Params); err != nil {
				return nil, err
			}
		}
	}
}

// Tail calls f for each event that p selects, in order, until ctx ends, f fails
// or the agent is gone, and returns that error. It has a connection of its own,
// so that other calls go on meanwhile; f may take its time, but events are then
// left out.
func (c *Client) Tail(ctx context.Context, p TailParams, f func(LogEvent) error) error {
	w, err := dial(ctx, c.path)
	if err != nil {
		return err
	}
	defer w.conn.Close()
	_, err = w.ask(ctx, 1, MethodTail, p, func(params json.RawMessage) error {
		var e eventParams
		if err := json.Unmarshal(params, &e); err != nil {
			return fmt.Errorf("reading an event: %w", err)
		}
		return f(e.Event)
	})
	return err
}
