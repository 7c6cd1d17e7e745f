package parse

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// dockerLine is what Docker writes of a line that a container prints.
func dockerLine(text string) string { return dockerPiece(text+"\n", "stdout") }

func dockerPiece(text, stream string) string {
	data, err := json.Marshal(struct {
		Log    string `json:"log"`
		Stream string `json:"stream"`
		Time   string `json:"time"`
	}{text, stream, "2026-03-01T11:59:58.123456789Z"})
	if err != nil {
		panic(err)
	}
	return string(data)
}

const insideAccess = `198.51.100.7 - - [01/Mar/2026:14:59:58 +0300] "GET /x?y=%27<1>&\x22 HTTP/1.1" 404 5 "-" "a \x22 b"`

func TestContainers(t *testing.T) {
	const cri = "2026-03-01T11:59:58.123456789Z stdout F "
	for name, line := range map[string]string{
		"docker":                 dockerLine(insideAccess),
		"docker, attributes":     strings.Replace(dockerLine(insideAccess), `,"time"`, `,"attrs":{"tag":"shop","x":"\"time\":\"1\"}"},"time"`, 1),
		"docker, CR":             dockerLine(insideAccess + "\r"),
		"CRI":                    cri + insideAccess,
		"CRI, more tags, stderr": "2026-03-01T11:59:58.123456789Z stderr F:x " + insideAccess,
		"podman, local zone":     "2026-03-01T12:59:58.123456789+01:00 stdout F " + insideAccess,
		"JSON in docker":         dockerLine(`{"remote_addr":"198.51.100.7","request":"GET /x?y=%27<1>&\" HTTP/1.1","status":"404","http_user_agent":"a \" b"}`),
		"HAProxy in docker":      dockerLine(`198.51.100.7:33317 [01/Mar/2026:11:59:58.655] www s/s1 0/0/0/1/1 404 2750 - - ---- 1/1/1/1/0 0/0 "GET /x?y=%27<1>&#22 HTTP/1.1"`),
	} {
		for _, typ := range []sentinel.SourceType{sentinel.TypeAuto, sentinel.TypeNginx} {
			var ev sentinel.Event
			ok := New(Config{Type: typ}).Parse(line, arrival, arrival, &ev)
			if !ok || ev.Type != sentinel.EventHTTPAccess || ev.SrcIP.String() != ip || ev.HTTP.Target != `/x?y=%27<1>&"` || ev.HTTP.Status != 404 ||
				!ev.Time.Equal(time.Date(2026, 3, 1, 11, 59, 58, 123456789, time.UTC)) {
				t.Errorf("%s as %s: %s\nread as %+v", name, typ, line, ev)
			}
		}
	}
}

func TestContainerPieces(t *testing.T) {
	long := strings.Replace(insideAccess, "/x", "/"+strings.Repeat("x", 3*16384), 1)
	p := New(Config{Type: sentinel.TypeNginx})
	var ev sentinel.Event
	for i := 0; i < len(long); i += 16384 {
		end := min(i+16384, len(long))
		text, last := long[i:end], end == len(long)
		if last {
			text += "\n"
		}
		ok := p.Parse(dockerPiece(text, "stdout"), arrival, arrival, &ev)
		if !ok || ev.SrcIP.IsValid() != last {
			t.Fatalf("piece at %d: %t, %+v", i, ok, ev.SrcIP)
		}
		if !last { // another stream in between
			if p.Parse(dockerPiece(insideAccess+"\n", "stderr"), arrival, arrival, &ev); ev.SrcIP.String() != ip || len(ev.HTTP.Path) > 10 {
				t.Fatalf("of the other stream: %+v", ev)
			}
		}
	}
	if len(ev.HTTP.Path) != 3*16384+1 || ev.HTTP.Status != 404 {
		t.Errorf("read as %d bytes, %d", len(ev.HTTP.Path), ev.HTTP.Status)
	}
	for range 100 { // a line without end
		p.Parse(dockerPiece(strings.Repeat("x", 16384), "stdout"), arrival, arrival, &ev)
	}
	if len(p.parts[0]) != sentinel.MaxLine {
		t.Errorf("%d bytes are kept", len(p.parts[0]))
	}
	p.Parse(dockerLine("end"), arrival, arrival, &ev)
	if p.parts[0] != nil || len(ev.Raw) != sentinel.MaxLine {
		t.Errorf("%d bytes are kept, the event has %d", len(p.parts[0]), len(ev.Raw))
	}
	for _, tags := range []string{"P", "P", "F"} {
		p.Parse("2026-03-01T11:59:58.123456789Z stdout "+tags+" "+insideAccess[:20], arrival, arrival, &ev)
	}
	if ev.Raw != strings.Repeat(insideAccess[:20], 3) {
		t.Errorf("%q", ev.Raw)
	}
}

// What looks like a line of an engine and is none is read as it is.
func TestNoContainer(t *testing.T) {
	for _, line := range []string{
		`{"log":"x","stream":"other","time":"2026-03-01T11:59:58Z"}`, `{"log":"x\n","stream":"stdout"}`, `{"log":"x`, `{"log":"x\n","stream":"stdout","time":"2026`,
		"2026-03-01T11:59:58.123456Z stdout X text and more", "2026-03-01T11:59:58.123456Z host F " + failedRoot,
	} {
		if w, ok := unwrap(line); ok {
			t.Errorf("%s is %+v", line, w)
		}
	}
	if w, ok := unwrap(`{"log":"a \\n","stream":"stdout","time":"2026-03-01T11:59:58Z"}`); !ok || w.whole {
		t.Errorf("a backslash and an n end a line: %+v", w)
	}
	// Text of a client within a web server's container is no login.
	var ev sentinel.Event
	if New(Config{Type: sentinel.TypeNginx}).Parse(dockerLine(head+failedRoot), arrival, arrival, &ev); ev.SrcIP.IsValid() || ev.Type != sentinel.EventOther {
		t.Errorf("read as %+v", ev)
	}
	if got := Guess([]string{dockerLine(insideAccess), dockerLine(""), dockerLine(insideAccess)}); got != sentinel.TypeNginx {
		t.Errorf("guessed %s", got)
	}
}
