package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// fake is an agent that remembers who asked for what.
type fake struct {
	feed Feed

	mu    sync.Mutex
	calls []string
	peers []Peer
	// hold, if not nil, is waited for by Status.
	hold chan struct{}
	// fail is what Rule returns; big is how many blocks there are.
	fail error
	big  int
}

func (f *fake) note(method string, peer Peer, p any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf("%s %+v", method, p))
	f.peers = append(f.peers, peer)
}

func (f *fake) last() (string, Peer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.calls) == 0 {
		return "", Peer{}
	}
	return f.calls[len(f.calls)-1], f.peers[len(f.peers)-1]
}

func (f *fake) Status(ctx context.Context, peer Peer) (*Status, error) {
	f.note("status", peer, nil)
	if f.hold != nil {
		select {
		case <-f.hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return &Status{Version: "1", PID: 7, Uptime: Seconds(90 * time.Second), Health: HealthOK}, nil
}

func (f *fake) Metrics(_ context.Context, peer Peer) (*MetricsResult, error) {
	f.note("metrics", peer, nil)
	return &MetricsResult{Text: "x 1\n"}, nil
}

func (f *fake) Reload(_ context.Context, peer Peer) (*ReloadResult, error) {
	f.note("reload", peer, nil)
	return &ReloadResult{Generation: 2}, nil
}

func (f *fake) Threats(_ context.Context, peer Peer, p ThreatsParams) (*ThreatsResult, error) {
	f.note("threats", peer, p)
	return &ThreatsResult{Threats: []ThreatRow{{"X1", sentinel.Threat{ID: "01X1", Severity: sentinel.High}}}, Total: 1}, nil
}

func (f *fake) Threat(_ context.Context, peer Peer, p ThreatParams) (*ThreatResult, error) {
	f.note("threat", peer, p)
	if p.ID != "X1" {
		return nil, &Error{CodeAmbiguous, "two threats are called " + p.ID, "write more of the id", []string{"AX", "BX"}}
	}
	return &ThreatResult{ThreatRow: ThreatRow{"X1", sentinel.Threat{ID: "01X1"}}}, nil
}

func (f *fake) Explain(_ context.Context, peer Peer, p ThreatParams) (*Explanation, error) {
	f.note("explain", peer, p)
	return &Explanation{ID: p.ID, Headline: "HIGH"}, nil
}

func (f *fake) SetThreatStatus(_ context.Context, peer Peer, p ThreatStatusParams) (*ThreatResult, error) {
	f.note("setstatus", peer, p)
	return &ThreatResult{}, nil
}

func (f *fake) Tail(ctx context.Context, peer Peer, p TailParams, send func(LogEvent) error) error {
	f.note("tail", peer, p)
	return f.feed.Tail(ctx, p, send)
}

func (f *fake) Sources(_ context.Context, peer Peer) (*SourcesResult, error) {
	f.note("sources", peer, nil)
	return &SourcesResult{}, nil
}

func (f *fake) Discover(_ context.Context, peer Peer) (*DiscoverResult, error) {
	f.note("discover", peer, nil)
	return &DiscoverResult{}, nil
}

func (f *fake) Baselines(_ context.Context, peer Peer, p BaselinesParams) (*BaselinesResult, error) {
	f.note("baselines", peer, p)
	return &BaselinesResult{}, nil
}

func (f *fake) Forget(_ context.Context, peer Peer, p ForgetParams) (*ForgetResult, error) {
	f.note("forget", peer, p)
	return &ForgetResult{}, nil
}

func (f *fake) Unparsed(_ context.Context, peer Peer, p UnparsedParams) (*UnparsedResult, error) {
	f.note("unparsed", peer, p)
	return &UnparsedResult{}, nil
}

func (f *fake) Block(_ context.Context, peer Peer, p BlockParams) (*BlockResult, error) {
	f.note("block", peer, p)
	return &BlockResult{Block: sentinel.BlockRecord{Prefix: p.IP.Entity(), Origin: sentinel.OriginCLI, Actor: peer.String()}, New: true, Applied: true}, nil
}

func (f *fake) Unblock(_ context.Context, peer Peer, p UnblockParams) (*UnblockResult, error) {
	f.note("unblock", peer, p)
	return nil, Errorf(CodeNotFound, "%s is not blocked", p.IP)
}

func (f *fake) Confirm(_ context.Context, peer Peer, p ConfirmParams) (*BlockResult, error) {
	f.note("confirm", peer, p)
	return &BlockResult{Block: sentinel.BlockRecord{Prefix: p.IP.Entity(), Origin: sentinel.OriginCLI}, Applied: true}, nil
}

func (f *fake) Suggest(_ context.Context, peer Peer) (*SuggestResult, error) {
	f.note("suggest", peer, nil)
	return &SuggestResult{}, nil
}

func (f *fake) Address(_ context.Context, peer Peer, p AddressParams) (*Address, error) {
	f.note("address", peer, p)
	return &Address{IP: p.IP}, nil
}

func (f *fake) Geo(_ context.Context, peer Peer, p GeoParams) (*GeoResult, error) {
	f.note("geo", peer, p)
	return &GeoResult{}, nil
}

// Blocks serves pages of at most 1000 of f.big blocks.
func (f *fake) Blocks(_ context.Context, peer Peer, p BlocksParams) (*BlocksResult, error) {
	f.note("blocks", peer, p)
	from := 0
	if p.Cursor != "" {
		_, _ = fmt.Sscan(p.Cursor, &from)
	}
	r := &BlocksResult{Total: f.big}
	for i := from; i < min(f.big, from+1000); i++ {
		r.Blocks = append(r.Blocks, sentinel.BlockRecord{ID: fmt.Sprint(i)})
	}
	if from+1000 < f.big {
		r.Next = fmt.Sprint(from + 1000)
	}
	return r, nil
}

func (f *fake) Config(_ context.Context, peer Peer, p ConfigParams) (*ConfigResult, error) {
	f.note("config", peer, p)
	return &ConfigResult{YAML: "agent:\n"}, nil
}

func (f *fake) SetConfig(_ context.Context, peer Peer, p ConfigSetParams) (*ConfigChange, error) {
	f.note("setconfig", peer, p)
	return &ConfigChange{}, nil
}

func (f *fake) UnsetConfig(_ context.Context, peer Peer, p ConfigUnsetParams) (*ConfigChange, error) {
	f.note("unsetconfig", peer, p)
	return &ConfigChange{}, nil
}

func (f *fake) Allow(_ context.Context, peer Peer, p AllowParams) (*AllowResult, error) {
	f.note("allow", peer, p)
	return &AllowResult{Changed: true}, nil
}

func (f *fake) Disallow(_ context.Context, peer Peer, p AllowParams) (*AllowResult, error) {
	f.note("disallow", peer, p)
	return &AllowResult{}, nil
}

func (f *fake) Allowed(_ context.Context, peer Peer) (*AllowListResult, error) {
	f.note("allowed", peer, nil)
	return &AllowListResult{}, nil
}

func (f *fake) Rules(_ context.Context, peer Peer, p RulesParams) (*RulesResult, error) {
	f.note("rules", peer, p)
	// Too long for a frame.
	return &RulesResult{Rules: make([]RuleRow, 20_000)}, nil
}

func (f *fake) Rule(_ context.Context, peer Peer, p RuleParams) (*RuleResult, error) {
	f.note("rule", peer, p)
	if p.ID == "panic" {
		panic("secret text")
	}
	return nil, f.fail
}

func (f *fake) WhyNot(_ context.Context, peer Peer, p WhyNotParams) (*WhyNot, error) {
	f.note("whynot", peer, p)
	return &WhyNot{IP: p.IP}, nil
}

var _ Agent = (*fake)(nil)

// Groups of the tests; the host need not have them.
const (
	memberGID = 4001
	adminGID  = 4002
)

func testGroups(name string) (uint32, bool) {
	switch name {
	case DefaultGroup:
		return memberGID, os.Geteuid() == 0
	case DefaultAdminGroup:
		return adminGID, os.Geteuid() == 0
	}
	return 0, false
}

// start runs a server until the end of the test.
func start(t testing.TB, agent Agent, change func(*Options)) *Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "ctl") // shorter than t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // others reach the socket in it
		t.Fatal(err)
	}
	o := Options{Path: filepath.Join(dir, "s.sock"), LookupGroup: testGroups}
	if change != nil {
		change(&o)
	}
	s, err := Listen(agent, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("closing it again: %v", err)
		}
		if _, err := os.Lstat(o.Path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket is still there: %v", err)
		}
	})
	return s
}

func connect(t testing.TB, s *Server) *Client {
	t.Helper()
	c, err := Dial(t.Context(), s.Path())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// raw is a connection without a client.
type raw struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

func dialRaw(t testing.TB, s *Server) *raw {
	t.Helper()
	w, err := dial(t.Context(), s.Path())
	if err != nil {
		t.Fatal(err)
	}
	conn := w.conn
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	return &raw{conn, t, bufio.NewReader(conn)}
}

func (r *raw) send(text string) {
	r.t.Helper()
	if _, err := r.Write([]byte(text)); err != nil {
		r.t.Fatal(err)
	}
}

// answer is one response with what most tests look at.
type answer struct {
	ID     json.RawMessage
	Result json.RawMessage
	Error  Error
}

func (r *raw) line() string {
	r.t.Helper()
	text, err := r.r.ReadString('\n')
	if err != nil {
		r.t.Fatal(err)
	}
	return text
}

func (r *raw) next() answer {
	r.t.Helper()
	var m message
	text := r.line()
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		r.t.Fatalf("%v in %s", err, text)
	}
	a := answer{ID: m.ID, Result: m.Result}
	if m.Error != nil {
		a.Error = *fromWire(m.Error.Code, m.Error.Message, m.Error.Data)
	}
	return a
}

// closed waits for the end of the connection.
func (r *raw) closed() {
	r.t.Helper()
	for {
		if _, err := r.r.ReadByte(); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				r.t.Fatal("the connection is still open")
			}
			return
		}
	}
}

// account is a user that connects.
type account struct {
	uid, gid int
	groups   []int
}

// dialAs connects as another user: on a thread of its own that gives up its
// rights and dies with its goroutine.
func dialAs(path string, a account) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlocked
		done <- func() (r result) {
			if a.uid != os.Geteuid() {
				groups := make([]uint32, len(a.groups)+1)
				for i, g := range a.groups {
					groups[i] = uint32(g)
				}
				if r.err = become(groups[:len(a.groups)], a.gid, a.uid); r.err != nil {
					return r
				}
			}
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return result{err: err}
			}
			f := os.NewFile(uintptr(fd), path)
			defer f.Close()
			if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
				return result{err: err}
			}
			r.conn, r.err = net.FileConn(f)
			return r
		}()
	}()
	r := <-done
	return r.conn, r.err
}

// waitFor waits until a condition holds.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
		runtime.Gosched()
		_ = syscall.Nanosleep(&syscall.Timespec{Nsec: 1e6}, nil)
	}
}

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.calls)
}

func wrap(t testing.TB, conn net.Conn) *raw {
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	return &raw{conn, t, bufio.NewReader(conn)}
}

func network(t testing.TB, text string) Network {
	t.Helper()
	n, err := ParseNetwork(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
