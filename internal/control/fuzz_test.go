package control

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// FuzzScreen holds what passes the screen: it is JSON-RPC that the library
// reads in the same way.
func FuzzScreen(f *testing.F) {
	for _, test := range malformed() {
		f.Add([]byte(test.frame))
	}
	f.Add([]byte(`{"jsonrpc":"2.0","id":1,"method":"agent.status"}`))
	f.Add([]byte(`{"jsonrpc":"2.0","method":"rpc.cancel","params":{"id":1}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l := lines{bufio.NewReaderSize(bytes.NewReader(data), 16), MaxRequest}
		for {
			frame, err := l.next()
			if errors.Is(err, errLong) {
				continue
			}
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, errFrame) {
					t.Fatal(err)
				}
				return
			}
			if len(frame) == 0 || len(frame) > MaxRequest || bytes.ContainsRune(frame, '\n') {
				t.Fatalf("frame of %d bytes", len(frame))
			}
			id, kind, fault := screen(frame)
			if fault != nil {
				if !json.Valid(errorFrame(id, fault)) {
					t.Fatalf("the answer is not JSON: %s", errorFrame(id, fault))
				}
				continue
			}
			if !json.Valid(frame) || kind == kindCancel && len(id) == 0 {
				t.Fatalf("let through: %s", frame)
			}
		}
	})
}

// FuzzServer feeds whole conversations to a server: it goes on serving others,
// and answers each frame at most once.
func FuzzServer(f *testing.F) {
	for _, test := range malformed() {
		f.Add([]byte(test.frame + "\n" + `{"jsonrpc":"2.0","id":9,"method":"agent.status"}` + "\n"))
	}
	for method, params := range requests() {
		f.Add([]byte(`{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":` + params + "}\n"))
	}
	server := start(f, &fake{}, func(o *Options) { o.CallTimeout, o.WriteTimeout = 5*time.Second, 5*time.Second })
	f.Fuzz(func(t *testing.T, data []byte) {
		w, err := dial(t.Context(), server.Path())
		if err != nil {
			t.Fatal(err)
		}
		defer w.conn.Close()
		go func() {
			_, _ = w.conn.Write(data)
			_ = w.conn.(*net.UnixConn).CloseWrite()
		}()
		if bytes.Contains(data, []byte("tail")) {
			return // a stream ends with its connection
		}
		frames := bytes.Count(data, []byte("\n")) + 1
		for {
			frame, err := w.lines.next()
			if err != nil {
				break
			}
			if frames--; frames < 0 {
				t.Fatalf("one answer too many: %s", frame)
			}
			if !json.Valid(frame) {
				t.Fatalf("not JSON: %s", frame)
			}
		}
	})
}
