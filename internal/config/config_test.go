package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// same compares two configurations without where their values came from.
func same(a, b *Config) bool {
	x, y := a.Clone(), b.Clone()
	for _, c := range []*Config{x, y} {
		c.file, c.set, c.over, c.waiting, c.unset, c.secrets = "", nil, nil, nil, nil, nil
	}
	return reflect.DeepEqual(x, y)
}

func mustParse(t *testing.T, text string) *Config {
	t.Helper()
	c, problems := Parse("config.yml", []byte(text))
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEmptyFileIsTheDefault(t *testing.T) {
	for _, text := range []string{
		"", "\n\n", "# nothing\n", "---\n", "--- \n...\n", "\xef\xbb\xbf", "~\n", "{}\n",
		"agent:\nlogs:\n  sources:\nresponse:\n  whitelist:\n  block_duration:\n",
		"agent:\r\n  id: auto\r\n",
	} {
		if c := mustParse(t, text); !same(c, Default()) {
			t.Errorf("%q is not the default", text)
		}
	}
}

func TestPackagedFileIsTheDefault(t *testing.T) {
	path := filepath.Join("..", "..", "packaging", "config.yml")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c := mustParse(t, string(data))
	if !same(c, Default()) {
		t.Errorf("the packaged file differs from Default in %v", Changed(c, Default()))
	}
	for _, key := range Keys() {
		if _, ok := c.IsSet(key); !ok {
			t.Errorf("the packaged file does not have %s", key)
		}
	}
	for _, e := range sourceSchema(&Source{}) {
		if !strings.Contains(string(data), e.key+":") {
			t.Errorf("the packaged file does not tell of sources[].%s", e.key)
		}
	}
}

func TestEveryKey(t *testing.T) {
	c := mustParse(t, `
agent: {id: web-1, hostname: web-1.example.org, log_level: warning, log_format: json, socket: /tmp/s.sock, sandbox: off}
logs:
  discovery: false
  journal: true
  journal_units: [ssh.service, "postfix@*"]
  sources:
    - path: /var/log/auth.log
      type: ssh
    - path: /srv/*/access.log
      type: nginx
      trusted_proxies: [192.0.2.1, "2001:db8::/32", "::ffff:198.51.100.0/120"]
      log_format: '$remote_addr "$request" $status'
      from_start: true
      timezone: Europe/Berlin
    - {path: /var/log/syslog, type: system, timezone: utc, trusted_proxies: []}
detection:
  rules: {enabled: false, custom_rules_dir: /srv/rules, exceptions_dir: /srv/exceptions, lists_dir: /srv/lists, disabled: [ssh_brute_force, web_sqli]}
  anomaly: {enabled: false, learning_period: 36h, sensitivity: high}
  profiles: {nextcloud: on, webdav: off, git: auto, wordpress: "off", grafana: on, matrix: off, homeassistant: on}
  payload: {enabled: false}
response:
  mode: observe
  auto_block: false
  min_score: 1
  block_duration: {HIGH: 90, CRITICAL: 1h30m}
  escalation: {factor: 1.5, max: 36h}
  graded: {enabled: false, rate: 5/s}
  max_blocks: 7
  max_new_blocks_per_minute: 8
  max_prefix: {v4: 16, v6: 64}
  prefix_block: true
  whitelist: [203.0.113.9, as64500, Office.example.net., 2001:db8::/48, "country:de"]
  block_private: true
  names: {resolver: "192.0.2.53", refresh: 5m}
  key_logins: 0
  protect_cdn: false
  proxy_denylist: {path: /srv/deny.conf, format: nginx}
  firewall: {backend: dryrun}
database: {path: /srv/s.db, retention_days: 1}
metrics: {listen: "[::1]:9464"}
geo: {enabled: false, country_database: /srv/c.mmdb, asn_database: ""}
performance: {batch_size: 1}
`)
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	loopback := DefaultSource().TrustedProxies
	p := netip.MustParsePrefix
	want := &Config{
		Agent: Agent{"web-1", "web-1.example.org", "warning", "json", "/tmp/s.sock", SandboxOff},
		Logs: Logs{false, JournalOn, []string{"ssh.service", "postfix@*"}, []Source{
			{"/var/log/auth.log", sentinel.TypeSSH, loopback, "", false, "local", time.Local},
			{"/srv/*/access.log", sentinel.TypeNginx, []netip.Prefix{p("192.0.2.1/32"), p("2001:db8::/32"), p("198.51.100.0/24")}, `$remote_addr "$request" $status`, true, "Europe/Berlin", berlin},
			{"/var/log/syslog", sentinel.TypeSyslog, nil, "", false, "UTC", time.UTC},
		}},
		Detection: Detection{
			Rules{false, "/srv/rules", "/srv/exceptions", "/srv/lists", []string{"ssh_brute_force", "web_sqli"}},
			Anomaly{false, 36 * time.Hour, SensitivityHigh},
			Profiles{ProfileOn, ProfileOff, ProfileAuto, ProfileOff, ProfileOn, ProfileOff, ProfileOn},
			Payload{false},
		},
		Response: Response{
			Mode: ModeObserve, MinScore: 1, BlockDuration: BlockDuration{90 * time.Second, 90 * time.Minute},
			Escalation: Escalation{1.5, 36 * time.Hour}, Graded: Graded{false, sentinel.Rate{Count: 5, Per: time.Second}}, MaxBlocks: 7, MaxNewBlocksPerMinute: 8, MaxPrefix: MaxPrefix{16, 64},
			PrefixBlock: true, Whitelist: []netip.Prefix{p("203.0.113.9/32"), p("2001:db8::/48")},
			BlockPrivate: true, WhitelistNames: []string{"office.example.net"}, WhitelistPlaces: []sentinel.Place{{ASN: 64500}, {Country: "DE"}}, Names: Names{"192.0.2.53", 5 * time.Minute}, ProxyDenylist: ProxyDenylist{"/srv/deny.conf", DenyNginx}, Firewall: Firewall{BackendDryRun},
		},
		Database:    Database{"/srv/s.db", 1},
		Geo:         Geo{false, "/srv/c.mmdb", ""},
		Metrics:     Metrics{"[::1]:9464"},
		Performance: Performance{1},
	}
	if !same(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
	if line, ok := c.IsSet("response.max_blocks"); !ok || line != 29 {
		t.Errorf("response.max_blocks is set on line %d, %t", line, ok)
	}
}

// What Show writes is the same configuration again, and says what was set.
func TestShow(t *testing.T) {
	c := mustParse(t, "response:\n  max_blocks: 5\n  whitelist: [192.0.2.0/24]\nlogs:\n  sources:\n    - path: /var/log/a.log\n      timezone: UTC\n")
	text := Show(c)
	back := mustParse(t, text)
	if !same(c, back) {
		t.Errorf("reading it again differs in %v:\n%s", Changed(c, back), text)
	}
	for _, want := range []string{
		"max_blocks: 5 # set on line 2\n", "auto_block: true # default\n", "whitelist: # set on line 3\n    - 192.0.2.0/24\n",
		"HIGH: 1h # default\n", "disabled: [] # default\n", "sources: # set on line 5\n    - path: /var/log/a.log\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if back := mustParse(t, Show(Default())); !same(back, Default()) {
		t.Error("showing the default and reading it again gives something else")
	}
}

func TestChanged(t *testing.T) {
	a, b := Default(), Default()
	if got := Changed(a, b); len(got) != 0 {
		t.Errorf("nothing changed, but %v", got)
	}
	b.Response.MaxBlocks = 1
	b.Agent.ID = "x"
	b.Logs.Sources = []Source{DefaultSource()}
	if got := fmt.Sprint(Changed(a, b)); got != "[agent.id logs.sources response.max_blocks]" {
		t.Error(got)
	}
}

func TestCloneSharesNothing(t *testing.T) {
	a := mustParse(t, "logs: {sources: [{path: /a, trusted_proxies: [192.0.2.1]}]}\ndetection: {rules: {disabled: [a]}}\n")
	b := a.Clone()
	b.Logs.Sources[0].TrustedProxies[0] = netip.Prefix{}
	b.Logs.Sources[0].Path = "/b"
	b.Detection.Rules.Disabled[0] = "b"
	b.Response.Whitelist[0] = netip.Prefix{}
	b.set["x"] = 1
	again := mustParse(t, "logs: {sources: [{path: /a, trusted_proxies: [192.0.2.1]}]}\ndetection: {rules: {disabled: [a]}}\n")
	if !reflect.DeepEqual(a, again) {
		t.Error("a change of the copy changed the original")
	}
}

const canary = "canary-5f1c"

func TestSecretIsNeverShown(t *testing.T) {
	type inner struct{ token Secret }
	type outer struct {
		Token Secret
		inner inner
		list  []Secret
	}
	s := NewSecret(canary)
	o := outer{s, inner{s}, []Secret{s}}
	var b bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
		fmt.Fprintf(&b, verb+verb+verb+verb+"\n", s, &s, o, &o)
	}
	fmt.Fprintln(&b, s, o, errors.New("x: "+s.String()))
	j, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	b.Write(j)
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "secret", s, "o", o)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "secret", s, "o", o)
	var into Secret
	schema := section{{"token", &secret{&into}}, {"other", &secret{&Secret{}}}}
	d := &decoder{file: "x", set: map[string]int{}}
	schema.decode(d, "", d.document([]byte("token: "+canary+"\n")))
	b.WriteString(render(schema, &Config{set: d.set}))
	if strings.Contains(b.String(), canary) || strings.Contains(b.String(), fmt.Sprintf("%x", canary)) {
		t.Errorf("the secret is in\n%s", b.String())
	}
	if !strings.Contains(b.String(), "token: (hidden) # set on line 1\n") || !strings.Contains(b.String(), "other: \"\" # default") &&
		!strings.Contains(b.String(), "other: '' # default") {
		t.Errorf("not said that it is hidden:\n%s", b.String())
	}
	if got := differences(schema, section{{"token", &secret{&Secret{}}}}); fmt.Sprint(got) != "[token]" {
		t.Errorf("a changed secret is no change: %v", got)
	}
	if into.Reveal() != canary || (Secret{}).Reveal() != "" || NewSecret("") != (Secret{}) {
		t.Error("the secret itself is lost")
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	c, err := Load(write("good.yml", "agent: {id: a}\n", 0o640))
	if err != nil || c.Agent.ID != "a" || c.File() != filepath.Join(dir, "good.yml") {
		t.Errorf("%+v, %v", c, err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, path, want string
		is               error
	}{
		{"missing", filepath.Join(dir, "none.yml"), "--config", ErrMissing},
		{"directory", dir, "is a directory", nil},
		{"fifo", fifo, "is not a regular file", nil},
		{"writable by all", write("open.yml", "", 0o666), "chmod o-w", nil},
		{"large", write("large.yml", strings.Repeat("#\n", MaxSize/2+1), 0o600), "larger than 1048576 bytes", nil},
		{"faulty", write("bad.yml", "agent:\n  idd: a\n", 0o600), "bad.yml:2:3: agent.idd: there is no key \"idd\" in agent\n", nil},
	} {
		_, err := Load(test.path)
		if err == nil || !strings.Contains(err.Error(), test.want) || test.is != nil && !errors.Is(err, test.is) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
	if _, err := Load(write("exact.yml", strings.Repeat("#\n", MaxSize/2), 0o600)); err != nil {
		t.Errorf("a file of the largest size: %v", err)
	}
}
