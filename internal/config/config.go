// Package config reads the agent's configuration file.
//
// The file is YAML and read strictly: an unknown key, a wrong type or a value
// out of bounds is a fault, and all faults of a file are reported at once, each
// with its place, what was expected and what was probably meant. Keys that are
// absent keep their defaults, which stand in one place, Default. An empty file
// is a valid configuration.
//
// The keys, their bounds and what they mean are one table (schema.go), from
// which reading, the search for the nearest key and Show all work.
package config

import (
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// DefaultPath is where the configuration file is looked for if nothing else is
// said.
const DefaultPath = "/etc/sentinel/config.yml"

// Auto is the value of keys that the agent finds out by itself.
const Auto = "auto"

// Config is a whole, valid configuration. Do not change one that others can
// see: make a new one.
type Config struct {
	Agent       Agent
	Logs        Logs
	Detection   Detection
	Response    Response
	Database    Database
	Geo         Geo
	Metrics     Metrics
	Performance Performance

	// file is the name the configuration was read from; set has the line of
	// each key that it gives, over that of each key that was set at run time.
	file      string
	set, over map[string]int
	// waiting has the keys whose values in the file wait for a restart.
	waiting map[string]bool
	// unset has variables that the file names and that are not set; secrets has
	// what was wrong with the files of secrets.
	unset   []string
	secrets Problems
}

// Agent says who this agent is and how it is reached.
type Agent struct {
	// ID is Auto (made at the first start and kept) or a name of 1 to 64
	// letters, digits, dots, underscores and hyphens.
	ID string
	// Hostname is Auto (asked of the system) or a name as for ID, up to 253.
	Hostname string
	// LogLevel is "debug", "info", "warning" or "error".
	LogLevel string
	// LogFormat is "auto", "text" or "json".
	LogFormat string
	// Socket is the absolute path of the control socket, at most 90 bytes.
	Socket string
	// Sandbox says whether the agent locks itself in.
	Sandbox Sandbox
}

// Sandbox says whether the agent gives up rights that it does not need.
type Sandbox string

// With SandboxAuto it gives up what the kernel lets it give up.
const (
	SandboxAuto Sandbox = "auto"
	SandboxOff  Sandbox = "off"
)

// Level is LogLevel as package slog has it.
func (a *Agent) Level() slog.Level {
	switch a.LogLevel {
	case "debug":
		return slog.LevelDebug
	case "warning":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	}
	return slog.LevelInfo
}

// Logs says what is read.
type Logs struct {
	// Discovery adds the usual log files that exist to Sources.
	Discovery bool
	// Journal says whether the host's own journal is read; JournalAuto reads it
	// where it works and Discovery is on.
	Journal Journal
	// JournalUnits are the only units whose entries are read of it; none means
	// all.
	JournalUnits []string
	// Sources are the files named in the configuration, in its order.
	Sources []Source
}

// Journal says whether the journal is read.
type Journal string

// The values of Journal.
const (
	JournalAuto Journal = "auto"
	JournalOn   Journal = "true"
	JournalOff  Journal = "false"
)

// Source is one log file, a glob of them or the directory of a journal.
type Source struct {
	// Path is absolute; it may hold *, ? and [...].
	Path string
	// Type is the kind of log; TypeAuto lets the parser look.
	Type sentinel.SourceType
	// TrustedProxies may say in a forwarding header who the client was.
	TrustedProxies []netip.Prefix
	// LogFormat is the log_format of nginx or LogFormat of Apache that the access
	// lines have; empty for the usual ones.
	LogFormat string
	// FromStart reads a file that is seen for the first time from its start
	// instead of its end.
	FromStart bool
	// Timezone is "local", "UTC" or the IANA name of the zone of stamps that
	// name none; Location is that zone, never nil.
	Timezone string
	Location *time.Location
}

// Detection says what is looked for.
type Detection struct {
	Rules    Rules
	Anomaly  Anomaly
	Profiles Profiles
	Payload  Payload
}

// Payload says whether the model of requests is asked.
type Payload struct {
	// Enabled switches the detector of the rule WEB_ML_PAYLOAD on.
	Enabled bool
}

// Profiles say of each application in ProfileNames whether what is ordinary there
// is excepted from the rules about searching.
type Profiles [len(profileNames)]Profile

// Profile says whether an application is in use.
type Profile string

// With ProfileAuto it is recognised in the logs.
const (
	ProfileAuto Profile = "auto"
	ProfileOn   Profile = "on"
	ProfileOff  Profile = "off"
)

var profileNames = [...]string{"nextcloud", "webdav", "git", "wordpress", "grafana", "matrix", "homeassistant"}

// ProfileNames are the applications of Profiles, in their order.
func ProfileNames() []string { return profileNames[:] }

// Anomaly says whether and how what is unusual on this host is looked for.
type Anomaly struct {
	// Enabled switches the stage on: it learns, and after LearningPeriod speaks.
	Enabled bool
	// LearningPeriod is how long it learns before it says anything.
	LearningPeriod time.Duration
	// Sensitivity says how many alerts a day and source are worth it.
	Sensitivity Sensitivity
}

// Sensitivity says how readily the anomaly stage speaks.
type Sensitivity string

// The sensitivities: one alert in ten days, one in two days, three a day of each
// source are what they allow on a host where nothing happens.
const (
	SensitivityLow    Sensitivity = "low"
	SensitivityMedium Sensitivity = "medium"
	SensitivityHigh   Sensitivity = "high"
)

// Rules says which rules are used.
type Rules struct {
	// Enabled switches rules on, the built-in ones and those of CustomDir.
	Enabled bool
	// CustomDir is an absolute path; it need not exist.
	CustomDir string
	// ExceptionsDir holds exceptions for many rules, ListsDir the lists that
	// rules name by in_file. They are absolute paths and need not exist.
	ExceptionsDir, ListsDir string
	// Disabled has the ids of rules that are left out.
	Disabled []string
}

// Mode says whether blocks are real.
type Mode string

// The modes: in ModeObserve all is recorded and nothing is blocked.
const (
	ModeObserve Mode = "observe"
	ModeProtect Mode = "protect"
)

// Backend names what holds the blocks.
type Backend string

// The backends. BackendAuto takes the best that works on the host.
const (
	BackendAuto     Backend = "auto"
	BackendNFTables Backend = "nftables"
	BackendIPTables Backend = "iptables"
	BackendUFW      Backend = "ufw"
	BackendDryRun   Backend = "dryrun"
)

// Response says what is done about attackers.
type Response struct {
	Mode Mode
	// AutoBlock lets the agent block without being asked.
	AutoBlock bool
	// MinScore is the decision score from which an attacker is blocked, 0.6..1.
	MinScore float64
	// BlockDuration is how long the first block lasts.
	BlockDuration BlockDuration
	Escalation    Escalation
	// MaxBlocks is how many blocks are in force at most, 1..1,000,000.
	MaxBlocks int
	// MaxNewBlocksPerMinute is where the agent stops blocking by itself and
	// raises an alarm, 1..1,000,000.
	MaxNewBlocksPerMinute int
	// MaxPrefix bounds how wide a block may be.
	MaxPrefix MaxPrefix
	// Graded says how attackers with a good history are treated.
	Graded Graded
	// PrefixBlock blocks a network of which many addresses were blocked, instead
	// of asking people to.
	PrefixBlock bool
	// BlockPrivate blocks attackers in private networks as well; otherwise they
	// are only reported.
	BlockPrivate bool
	// Whitelist is never blocked, nor is what WhitelistNames stand for.
	Whitelist      []netip.Prefix
	WhitelistNames []string
	// WhitelistPlaces are countries and networks (AS) that are never blocked
	// automatically.
	WhitelistPlaces []sentinel.Place
	// Names says how those names are looked up.
	Names Names
	// KeyLogins is for how long a network is not blocked automatically after
	// somebody logged in by SSH with a key from there, 0 to 365 days.
	KeyLogins time.Duration
	// ProtectCDN: addresses of content delivery networks are never blocked
	// automatically.
	ProtectCDN bool
	// ProxyDenylist is a file for the proxy in front of this host.
	ProxyDenylist ProxyDenylist
	Firewall      Firewall
}

// BlockDuration is the length of a first block by the severity of its threat,
// each 1 s to 7 days. Lower severities are never blocked.
type BlockDuration struct {
	High, Critical time.Duration
}

// Escalation makes each further block of a network Factor (1..10) times longer,
// up to Max (1 s to 366 days), or to the first block's length if that is longer.
type Escalation struct {
	Factor float64
	Max    time.Duration
}

// Names says how names are looked up: by Resolver, which is Auto (that of the
// system) or an address with or without a port, every Refresh (10 s to 1 h).
type Names struct {
	Resolver string
	Refresh  time.Duration
}

// Server returns the name server to ask, the zero value for that of the system.
func (n Names) Server() netip.AddrPort {
	server, _ := nameServer(n.Resolver)
	return server
}

// Graded slows an attacker with a good history, where others are blocked for the
// first time, to Rate.
type Graded struct {
	Enabled bool
	Rate    sentinel.Rate
}

// MaxPrefix has the fewest bits that a blocked network may have: V4 16..32, V6
// 32..64.
type MaxPrefix struct {
	V4, V6 int
}

// ProxyDenylist says where and how the addresses are written that a web server
// or proxy is to refuse. Without a path there is no such file.
type ProxyDenylist struct {
	// Path is absolute, or empty.
	Path   string
	Format DenyFormat
}

// DenyFormat is the syntax of a deny list.
type DenyFormat string

// The formats: lines to include into the configuration of a server, or an
// address or network a line.
const (
	DenyNginx  DenyFormat = "nginx"
	DenyApache DenyFormat = "apache"
	DenyCaddy  DenyFormat = "caddy"
	DenyPlain  DenyFormat = "plain"
)

// Firewall says what holds the blocks.
type Firewall struct {
	Backend Backend
}

// Database says where things are remembered and for how long.
type Database struct {
	// Path is absolute.
	Path string
	// RetentionDays is how long threats and actions are kept, 1..3650.
	RetentionDays int
}

// Geo says where the databases of countries and networks are: each a path, Auto
// (one of the usual places), or empty for none.
type Geo struct {
	Enabled                      bool
	CountryDatabase, ASNDatabase string
}

// Paths returns the two databases that are wanted, each as in the fields.
func (g Geo) Paths() (country, asn string) {
	if !g.Enabled {
		return "", ""
	}
	return g.CountryDatabase, g.ASNDatabase
}

// Metrics says who may read figures for Prometheus.
type Metrics struct {
	// Listen is a loopback address with a port, or Off.
	Listen string
}

// Off is the value of what can be switched off by its address.
const Off = "off"

// Performance bounds how much is done at once.
type Performance struct {
	// BatchSize is how many lines are read, judged and stored together,
	// 1..65536.
	BatchSize int
}

// Default returns the configuration of an empty file.
func Default() *Config {
	return &Config{
		Agent: Agent{
			ID:        Auto,
			Hostname:  Auto,
			LogLevel:  "info",
			LogFormat: "auto",
			Socket:    "/run/sentinel/sentinel.sock",
			Sandbox:   SandboxAuto,
		},
		Logs: Logs{Discovery: true, Journal: JournalAuto},
		Detection: Detection{Rules: Rules{
			Enabled:       true,
			CustomDir:     "/etc/sentinel/rules.d",
			ExceptionsDir: "/etc/sentinel/exceptions.d",
			ListsDir:      "/etc/sentinel/lists",
		}, Anomaly: Anomaly{
			Enabled: true, LearningPeriod: 7 * 24 * time.Hour, Sensitivity: SensitivityMedium,
		}, Profiles: defaultProfiles(), Payload: Payload{Enabled: true}},
		Response: Response{
			Mode:                  ModeProtect,
			AutoBlock:             true,
			MinScore:              0.6,
			BlockDuration:         BlockDuration{High: time.Hour, Critical: 24 * time.Hour},
			Escalation:            Escalation{Factor: 2, Max: 7 * 24 * time.Hour},
			MaxBlocks:             50_000,
			MaxNewBlocksPerMinute: 6000,
			MaxPrefix:             MaxPrefix{V4: 24, V6: 56},
			Graded:                Graded{Enabled: true, Rate: sentinel.Rate{Count: 30, Per: time.Minute}},
			Whitelist: []netip.Prefix{
				netip.MustParsePrefix("127.0.0.1/32"),
				netip.MustParsePrefix("10.0.0.0/8"),
				netip.MustParsePrefix("192.168.0.0/16"),
			},
			ProtectCDN:    true,
			ProxyDenylist: ProxyDenylist{Format: DenyPlain},
			Names:         Names{Resolver: Auto, Refresh: time.Minute},
			KeyLogins:     30 * 24 * time.Hour,
			Firewall:      Firewall{Backend: BackendAuto},
		},
		Database:    Database{Path: "/var/lib/sentinel/sentinel.db", RetentionDays: 90},
		Geo:         Geo{Enabled: true, CountryDatabase: Auto, ASNDatabase: Auto},
		Metrics:     Metrics{Listen: Off},
		Performance: Performance{BatchSize: 512},
	}
}

// DefaultSource returns a source with everything but its path at its default:
// forwarding headers are believed from this host alone.
func DefaultSource() Source {
	return Source{
		Type:           sentinel.TypeAuto,
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		Timezone:       "local",
		Location:       time.Local,
	}
}

// File returns the name of the file that the configuration was read from, empty
// for Default.
func (c *Config) File() string { return c.file }

// IsSet reports whether the file gave the key, for example
// "response.max_blocks", and on which line.
func (c *Config) IsSet(key string) (line int, ok bool) {
	line, ok = c.set[key]
	return line, ok
}

// Unset returns the variables that are not set, with the keys that name them, of
// a file that was read with Options.Lenient.
func (c *Config) Unset() []string { return c.unset }

// SecretFaults returns what was wrong with files of secrets. It does not keep
// the agent from working, but what needs the secret from starting.
func (c *Config) SecretFaults() Problems { return c.secrets }

// ProxiesGiven reports whether the file says the trusted proxies of the source
// with this path in so many words.
func (c *Config) ProxiesGiven(path string) bool {
	for i := range c.Logs.Sources {
		if c.Logs.Sources[i].Path == path {
			_, ok := c.set[fmt.Sprintf("logs.sources[%d].trusted_proxies", i)]
			return ok
		}
	}
	return false
}

// Clone returns a copy that shares nothing that can be changed.
func (c *Config) Clone() *Config {
	d := *c
	d.set, d.over = maps.Clone(c.set), maps.Clone(c.over)
	d.Logs.JournalUnits = append([]string(nil), c.Logs.JournalUnits...)
	d.Logs.Sources = append([]Source(nil), c.Logs.Sources...)
	for i := range d.Logs.Sources {
		d.Logs.Sources[i].TrustedProxies = append([]netip.Prefix(nil), d.Logs.Sources[i].TrustedProxies...)
	}
	d.Detection.Rules.Disabled = append([]string(nil), c.Detection.Rules.Disabled...)
	d.Response.Whitelist = append([]netip.Prefix(nil), c.Response.Whitelist...)
	d.Response.WhitelistNames = append([]string(nil), c.Response.WhitelistNames...)
	d.Response.WhitelistPlaces = append([]sentinel.Place(nil), c.Response.WhitelistPlaces...)
	return &d
}

func defaultProfiles() (p Profiles) {
	for i := range p {
		p[i] = ProfileAuto
	}
	return p
}
