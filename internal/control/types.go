package control

import (
	"net/netip"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// The names of the methods.
const (
	MethodStatus       = "agent.status"
	MethodReload       = "agent.reload"
	MethodMetrics      = "agent.metrics"
	MethodThreats      = "threats.list"
	MethodThreat       = "threats.get"
	MethodExplain      = "threats.explain"
	MethodThreatStatus = "threats.status"
	MethodTail         = "logs.tail"
	MethodSources      = "logs.sources"
	MethodUnparsed     = "logs.unparsed"
	MethodBaselines    = "anomaly.baselines"
	MethodForget       = "anomaly.forget"
	MethodDiscover     = "logs.discover"
	MethodBlock        = "firewall.block"
	MethodUnblock      = "firewall.unblock"
	MethodConfirm      = "firewall.confirm"
	MethodBlocks       = "firewall.list"
	MethodConfig       = "config.get"
	MethodConfigSet    = "config.set"
	MethodConfigUnset  = "config.unset"
	MethodAllow        = "whitelist.add"
	MethodDisallow     = "whitelist.remove"
	MethodAllowed      = "whitelist.list"
	MethodRules        = "rules.list"
	MethodRule         = "rules.get"
)

// Health is the agent's own opinion of itself.
type Health string

// The two healths.
const (
	HealthOK       Health = "ok"
	HealthDegraded Health = "degraded"
)

// Status is the answer to agent.status.
type Status struct {
	Version  string `json:"version"`
	AgentID  string `json:"agent_id"`
	Hostname string `json:"hostname"`
	PID      int    `json:"pid"`
	// Started is when the agent started, Uptime how long ago that is by the
	// monotonic clock.
	Started time.Time `json:"started"`
	Uptime  Seconds   `json:"uptime"`
	// CPUPercent is the share of one core over the last minute; Memory the
	// resident set in bytes.
	CPUPercent float64 `json:"cpu_percent"`
	Memory     uint64  `json:"memory_bytes"`
	// Mode is "observe" or "protect".
	Mode string `json:"mode"`
	// Health is degraded if Reasons is not empty.
	Health   Health         `json:"health"`
	Reasons  []string       `json:"reasons"`
	Firewall FirewallStatus `json:"firewall"`
	Sources  []SourceStatus `json:"sources"`
	Last24h  Totals         `json:"last_24h"`
	// Blocks is how many blocks are in force, Simulated ones among them.
	Blocks    int         `json:"blocks_in_force"`
	Simulated int         `json:"blocks_simulated"`
	Rules     RulesStatus `json:"rules"`
	// Skewed lines were stamped later than they came, Late ones too early to
	// justify a block, since the rules were loaded.
	Skewed uint64 `json:"lines_skewed"`
	Late   uint64 `json:"lines_late"`
	// DrillLog is the log for drills, empty if there is none.
	DrillLog string `json:"drill_log,omitempty"`
	// State has the sizes of the engine's memory.
	State []StateSize `json:"state"`
	// Alarms are the newest, at most 20, newest first.
	Alarms []Alarm `json:"alarms"`
	// Generation counts the configurations loaded since the start, from 1;
	// ConfigFile is the file, ConfigError why the last reload was refused.
	Generation  int       `json:"config_generation"`
	ConfigFile  string    `json:"config_file"`
	ConfigTime  time.Time `json:"config_loaded"`
	ConfigError string    `json:"config_error,omitempty"`
	// ConfigRuntime has the keys that were set at run time, over the file.
	ConfigRuntime []string `json:"config_runtime,omitempty"`
	Database      Database `json:"database"`
	// Anomaly is how far it is learned what is usual; nil from older agents.
	Anomaly *AnomalyStatus `json:"anomaly,omitempty"`
	// Profiles are the applications that answered in logs.
	Profiles []ProfileStatus `json:"profiles,omitempty"`
	// Payload is the model of requests; nil from older agents.
	Payload *PayloadStatus `json:"payload,omitempty"`
	// Sandbox is what the agent has given up; nil from older agents.
	Sandbox *SandboxStatus `json:"sandbox,omitempty"`
	// Geo says by what countries and networks are told; nil from older agents.
	Geo *GeoStatus `json:"geo,omitempty"`
	// Lists are the lists of addresses with a bad name.
	Lists []ListStatus `json:"lists,omitempty"`
}

// SandboxStatus says what keeps the agent from doing more than it should.
type SandboxStatus struct {
	// Off: the sandbox is switched off.
	Off bool `json:"off,omitempty"`
	// Landlock is the version of the kernel's interface in use, 0 for none.
	Landlock int `json:"landlock"`
	// Seccomp: dangerous system calls fail. Exec: the agent may run programs.
	Seccomp bool `json:"seccomp"`
	Exec    bool `json:"may_run_programs"`
	// Capabilities are those in effect; only CAP_NET_ADMIN is needed.
	Capabilities []string `json:"capabilities"`
	// Problems say what could not be had.
	Problems []string `json:"problems,omitempty"`
}

// Database is the state of the agent's store.
type Database struct {
	Path string `json:"path"`
	// Size is in bytes, with the write-ahead log.
	Size int64 `json:"size_bytes"`
	// Error is why the last write failed, empty if it did not.
	Error string `json:"error,omitempty"`
	// Checked is what checking the file at the start came to: "ok", or what was
	// wrong with the file that was replaced.
	Checked string `json:"checked"`
	// Snapshot is of the detectors' windows; nil before the first. Rebuilt is nil
	// unless the agent did not stop in order before.
	Snapshot *Snapshot `json:"snapshot,omitempty"`
	Rebuilt  *Rebuilt  `json:"rebuilt,omitempty"`
}

// Snapshot is the latest snapshot of the detectors' windows.
type Snapshot struct {
	Taken time.Time `json:"taken"`
	Size  int64     `json:"size_bytes"`
	// Copy is how long the engine stood still for it, Write how long compressing
	// and writing took. Both are 0 for one by an agent that ran before.
	Copy  time.Duration `json:"copy_ns"`
	Write time.Duration `json:"write_ns"`
	// Error is why a later one could not be written.
	Error string `json:"error,omitempty"`
}

// Rebuilt says what reading again after a crash came to.
type Rebuilt struct {
	// Lines were read, in Took; Lost batches were not to be had any more.
	Lines int           `json:"lines"`
	Lost  int           `json:"lost_batches"`
	Took  time.Duration `json:"took_ns"`
}

// FirewallStatus says whether the kernel holds what it should.
type FirewallStatus struct {
	Backend string `json:"backend"`
	Healthy bool   `json:"healthy"`
	// Reason says why this backend was chosen, Error what it last failed with.
	Reason string `json:"reason,omitempty"`
	Error  string `json:"error,omitempty"`
	// Restores counts how often other programs' changes were undone; FlushWar
	// says that one of them does not stop.
	Restores int  `json:"restores"`
	FlushWar bool `json:"flush_war,omitempty"`
	// Desired and Actual are numbers of blocks.
	Desired int `json:"desired"`
	Actual  int `json:"actual"`
	// Dropped counts packets that were dropped, since the table was made.
	Dropped uint64    `json:"dropped_packets"`
	Checked time.Time `json:"checked,omitzero"`
}

// SourceStatus is the state of one followed file.
type SourceStatus struct {
	// ID is the configured path or glob member, Path the file being read.
	ID   string              `json:"id"`
	Path string              `json:"path"`
	Type sentinel.SourceType `json:"type"`
	// State is "active", "waiting", "denied", "missing" and so on; Reason says
	// more where it is not active, and when lines may have been lost last.
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
	// LastEvent is when the last line was read.
	LastEvent time.Time `json:"last_event,omitzero"`
	Lines     uint64    `json:"lines"`
	// Recognised lines say more than who wrote them.
	Recognised uint64 `json:"recognised"`
	// Blind says why the source is not read or understood any more, empty while
	// it is.
	Blind    string `json:"blind,omitempty"`
	Parsed   uint64 `json:"parsed"`
	Unparsed uint64 `json:"unparsed"`
	// Lag is how many bytes of the file are still to be read.
	Lag int64 `json:"lag_bytes"`
	// Behind is the same of a journal: how old the entry is that is read while
	// more wait, 0 if none do.
	Behind Seconds `json:"behind_seconds,omitzero"`
	// Cut counts lines longer than sentinel.MaxLine, Rotations changes of file.
	Cut       uint64 `json:"cut,omitempty"`
	Rotations uint64 `json:"rotations,omitempty"`
	// Losses counts how often lines may have been lost: truncations, files that
	// were not found again after a restart, and gaps in a journal.
	Losses uint64 `json:"losses,omitempty"`
}

// MetricsResult is the answer to agent.metrics.
type MetricsResult struct {
	// Text is in the text format of Prometheus.
	Text string `json:"text"`
}

// Totals sums up a day.
type Totals struct {
	Events   uint64 `json:"events"`
	Threats  uint64 `json:"threats"`
	Blocked  uint64 `json:"blocked"`
	Critical uint64 `json:"critical"`
}

// RulesStatus says what was loaded.
type RulesStatus struct {
	Loaded   int `json:"loaded"`
	Disabled int `json:"disabled"`
	Skipped  int `json:"skipped"`
	// NotApplicable counts the rules in Sigma's format that have no log or no
	// field here; they are no faults.
	NotApplicable int `json:"not_applicable"`
	// Problems are at most 100.
	Problems []RuleProblem `json:"problems"`
}

// RuleProblem is a fault of a rule file.
type RuleProblem struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	RuleID  string `json:"rule_id,omitempty"`
	Message string `json:"message"`
	// Warning: the rule is used nevertheless.
	Warning bool `json:"warning,omitempty"`
}

// StateSize is how much of one bounded memory is used.
type StateSize struct {
	Name string `json:"name"`
	Used int    `json:"used"`
	// Limit is how many it may hold, 0 if it is bounded by something else.
	Limit     int    `json:"limit,omitempty"`
	Bytes     int64  `json:"bytes,omitempty"`
	Evictions uint64 `json:"evictions"`
}

// Alarm is something about the agent itself that a person should know.
type Alarm struct {
	Time time.Time `json:"time"`
	Kind string    `json:"kind"`
	Text string    `json:"text"`
}

// ThreatsParams selects threats. The zero value is the 20 newest.
type ThreatsParams struct {
	// Severity is the exact one, MinSeverity the lowest; nil means any.
	Severity    *sentinel.Severity `json:"severity,omitempty"`
	MinSeverity *sentinel.Severity `json:"min_severity,omitempty"`
	// Since and Until bound the time of the last event; zero is open.
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
	// Type, Source and Status are exact; IP is an address or network that the
	// attacker lies in.
	Type   string          `json:"type,omitempty"`
	Source string          `json:"source,omitempty"`
	Status sentinel.Status `json:"status,omitempty"`
	IP     Network         `json:"ip,omitzero"`
	// Limit is 1..MaxPage, 0 for 20. Cursor is the Next of the page before.
	Limit  int    `json:"limit,omitempty"`
	Cursor string `json:"cursor,omitempty"`
}

// ThreatsResult is one page of threats, newest first.
type ThreatsResult struct {
	Threats []ThreatRow `json:"threats"`
	// Total is how many there are on all pages; Next is empty on the last.
	Total int    `json:"total"`
	Next  string `json:"next,omitempty"`
}

// ThreatRow is a threat with its short id.
type ThreatRow struct {
	// ShortID is the shortest ending of the id that no other threat has.
	ShortID string `json:"short_id"`
	sentinel.Threat
}

// ThreatParams names a threat: its id, or any part of it that no other has at
// the start or at the end.
type ThreatParams struct {
	ID string `json:"id"`
}

// ThreatResult is a threat with everything that was done about it.
type ThreatResult struct {
	ThreatRow
	Actions []sentinel.Action `json:"actions"`
	// Blocks are those of the attacker that are in force now.
	Blocks []sentinel.BlockRecord `json:"blocks"`
}

// Explanation says in words why a threat is one.
type Explanation struct {
	ID       string `json:"id"`
	ShortID  string `json:"short_id"`
	Headline string `json:"headline"`
	// What tells what happened, a sentence each.
	What []string `json:"what"`
	// Evidence is the best of it; MoreEvidence counts what was left out.
	Evidence     []sentinel.Evidence `json:"evidence"`
	MoreEvidence int                 `json:"more_evidence,omitempty"`
	// Score has one line for each part of the score.
	Score []string `json:"score"`
	// Action says what was done and why, or why not more.
	Action string `json:"action"`
	// Next is what to check, most useful first; Undo has commands.
	Next []string `json:"next"`
	Undo []string `json:"undo"`
	// Attack has MITRE ATT&CK ids.
	Attack []string `json:"attack"`
}

// ThreatStatusParams sets the status of a threat.
type ThreatStatusParams struct {
	ID     string          `json:"id"`
	Status sentinel.Status `json:"status"`
	// Reason is at most MaxReason bytes.
	Reason string `json:"reason,omitempty"`
}

// TailParams selects events. The zero value is all of them.
type TailParams struct {
	// Source is the id of a source, Type an event type; empty means any.
	Source string `json:"source,omitempty"`
	Type   string `json:"type,omitempty"`
	// Matched leaves out events that no rule matched; Unparsed shows only
	// lines that were not understood.
	Matched  bool    `json:"matched,omitempty"`
	Unparsed bool    `json:"unparsed,omitempty"`
	IP       Network `json:"ip,omitzero"`
}

// LogEvent is one line as the engine saw it.
type LogEvent struct {
	// Time is the line's own, Received when it was read.
	Time       time.Time           `json:"time,omitzero"`
	Received   time.Time           `json:"received"`
	Source     string              `json:"source"`
	SourceType sentinel.SourceType `json:"source_type"`
	Parsed     bool                `json:"parsed"`
	Type       string              `json:"type"`
	IP         string              `json:"ip,omitempty"`
	User       string              `json:"user,omitempty"`
	Outcome    string              `json:"outcome,omitempty"`
	Program    string              `json:"program,omitempty"`
	Method     string              `json:"method,omitempty"`
	Target     string              `json:"target,omitempty"`
	Status     int                 `json:"status,omitempty"`
	// Raw is the line, cut to MaxRaw bytes.
	Raw string `json:"raw"`
	// Rules are the ids of the rules that matched, Fired those of them that
	// reached their threshold.
	Rules    []string           `json:"rules,omitempty"`
	Fired    []string           `json:"fired,omitempty"`
	Severity *sentinel.Severity `json:"severity,omitempty"`
	ThreatID string             `json:"threat_id,omitempty"`
	// Missed is how many events before this one were left out because the
	// reader was too slow.
	Missed uint64 `json:"missed,omitempty"`
}

// SourcesResult is the answer to logs.sources.
type SourcesResult struct {
	Sources []SourceStatus `json:"sources"`
}

// UnparsedParams selects shapes of lines that were not understood.
type UnparsedParams struct {
	// Source is the id of a source; empty means all.
	Source string `json:"source,omitempty"`
	// Limit is 1..MaxPage, 0 for 20.
	Limit int `json:"limit,omitempty"`
}

// UnparsedShape is a group of lines that differ in numbers and addresses only.
type UnparsedShape struct {
	Source string    `json:"source"`
	Shape  string    `json:"shape"`
	Sample string    `json:"sample"`
	Count  uint64    `json:"count"`
	Last   time.Time `json:"last"`
}

// UnparsedResult has the commonest shapes first.
type UnparsedResult struct {
	Shapes []UnparsedShape `json:"shapes"`
	// Lines and Unparsed count all lines since the start.
	Lines    uint64 `json:"lines"`
	Unparsed uint64 `json:"unparsed"`
}

// BlockParams asks for a block.
type BlockParams struct {
	IP Network `json:"ip"`
	// Duration 0 is the policy's, unless Permanent.
	Duration  Seconds `json:"duration,omitzero"`
	Permanent bool    `json:"permanent,omitempty"`
	// Confirm lifts the block after so long unless firewall.confirm comes; 0
	// makes it last without.
	Confirm Seconds `json:"confirm,omitzero"`
	// Force overrides the configured whitelist; only an administrator may.
	Force  bool   `json:"force,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// BlockResult is what came of a request to block.
type BlockResult struct {
	Block sentinel.BlockRecord `json:"block"`
	// New is false if the block was there already and was extended.
	New bool `json:"new"`
	// Applied says that the firewall has it; Note says why not, or more.
	Applied bool   `json:"applied"`
	Note    string `json:"note,omitempty"`
}

// ConfirmParams names a block that waits for its confirmation.
type ConfirmParams struct {
	IP     Network `json:"ip"`
	Reason string  `json:"reason,omitempty"`
}

// UnblockParams asks to lift all blocks within a network.
type UnblockParams struct {
	IP     Network `json:"ip"`
	Reason string  `json:"reason,omitempty"`
}

// UnblockResult has the blocks that were lifted.
type UnblockResult struct {
	Unblocked []sentinel.BlockRecord `json:"unblocked"`
	Note      string                 `json:"note,omitempty"`
}

// BlocksParams selects blocks in force.
type BlocksParams struct {
	// IP keeps blocks that overlap it; Origin keeps those made by one kind.
	IP     Network         `json:"ip,omitzero"`
	Origin sentinel.Origin `json:"origin,omitempty"`
	// Limit is 1..MaxPage, 0 for 1000. Cursor is the Next of the page before.
	Limit  int    `json:"limit,omitempty"`
	Cursor string `json:"cursor,omitempty"`
}

// BlocksResult is one page of blocks in force, newest first.
type BlocksResult struct {
	Blocks []sentinel.BlockRecord `json:"blocks"`
	Total  int                    `json:"total"`
	Next   string                 `json:"next,omitempty"`
}

// ConfigParams names a key or a section; empty is the whole configuration.
type ConfigParams struct {
	Key string `json:"key,omitempty"`
}

// ConfigResult is the configuration in use, with secrets hidden.
type ConfigResult struct {
	File       string    `json:"file"`
	Generation int       `json:"generation"`
	Loaded     time.Time `json:"loaded"`
	// YAML has the values as they would stand in the file, with where each comes
	// from as a comment; Values has them one by one.
	YAML   string        `json:"yaml"`
	Values []ConfigValue `json:"values"`
}

// ConfigValue is one key of the configuration in use.
type ConfigValue struct {
	Key string `json:"key"`
	// Value and Default are as they would stand in the file, in one line.
	Value   string `json:"value"`
	Default string `json:"default"`
	// Origin is "default", "file" or "runtime" (set by config.set, which wins
	// over the file); Line is where the file has the key, 0 if it has not.
	Origin string `json:"origin"`
	Line   int    `json:"line,omitempty"`
	// Waiting: the file has another value, which waits for a restart.
	Waiting bool `json:"waiting,omitempty"`
	// Restart: a change of the file takes effect when the agent starts again.
	// Runtime: config.set may change it.
	Restart bool `json:"restart"`
	Runtime bool `json:"runtime"`
}

// ConfigSetParams gives a key a value at run time. The value is as it would
// stand in the file; that of a list is YAML or entries with commas between them.
type ConfigSetParams struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// ConfigUnsetParams takes back what was set at run time: one key, or all if
// there is none.
type ConfigUnsetParams struct {
	Key string `json:"key,omitempty"`
}

// ConfigChange is what came of a change at run time.
type ConfigChange struct {
	Generation int `json:"generation"`
	// Changed has the keys whose values are other ones now.
	Changed []string `json:"changed"`
	// Values has the keys that were named.
	Values []ConfigValue `json:"values"`
}

// AllowParams names a network for the whitelist, a name that stands for its
// addresses, whatever they are from time to time, or a country or network by
// number, from which nothing is blocked automatically. One of them is given.
type AllowParams struct {
	IP     Network        `json:"ip,omitzero"`
	Name   string         `json:"name,omitempty"`
	Place  sentinel.Place `json:"place,omitzero"`
	Reason string         `json:"reason,omitempty"`
}

// AllowEntry is a network that is never blocked.
type AllowEntry struct {
	Prefix Network `json:"prefix,omitzero"`
	// Name is the name in the answer to a change of one.
	Name string `json:"name,omitempty"`
	// Place is the country or network, in place of Prefix.
	Place sentinel.Place `json:"place,omitzero"`
	// Kind says where it comes from: "default", "config", "user", "own",
	// "gateway", "resolver", "metadata", "admin", "name", "key".
	Kind   string `json:"kind"`
	Reason string `json:"reason,omitempty"`
	Actor  string `json:"actor,omitempty"`
	// Added is zero for entries that nobody added.
	Added time.Time `json:"added,omitzero"`
	// Removable: whitelist.remove may take it off.
	Removable bool `json:"removable"`
}

// AllowResult is what came of a change of the whitelist.
type AllowResult struct {
	Entry AllowEntry `json:"entry"`
	// Changed is false if it was so already.
	Changed bool `json:"changed"`
	// Unblocked has the automatic blocks that were lifted by it.
	Unblocked []sentinel.BlockRecord `json:"unblocked"`
	// Addresses are those that a name has now.
	Addresses []netip.Addr `json:"addresses,omitempty"`
	Note      string       `json:"note,omitempty"`
}

// AllowListResult is the whole whitelist.
type AllowListResult struct {
	Entries []AllowEntry `json:"entries"`
	Names   []AllowName  `json:"names"`
}

// AllowName is a name whose addresses are never blocked. The addresses are among
// the entries too.
type AllowName struct {
	Name string `json:"name"`
	// Kind is "config" or "user".
	Kind      string       `json:"kind"`
	Reason    string       `json:"reason,omitempty"`
	Actor     string       `json:"actor,omitempty"`
	Added     time.Time    `json:"added,omitzero"`
	Removable bool         `json:"removable"`
	Addresses []netip.Addr `json:"addresses"`
	// Resolved is when it was last looked up with success; Error is why the last
	// look-up failed.
	Resolved time.Time `json:"resolved,omitzero"`
	Error    string    `json:"error,omitempty"`
}

// RulesParams selects rules. The zero value is all of them.
type RulesParams struct {
	Type     string             `json:"type,omitempty"`
	Severity *sentinel.Severity `json:"severity,omitempty"`
}

// RuleRow is a rule in a list.
type RuleRow struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Type       string            `json:"type"`
	Severity   sentinel.Severity `json:"severity"`
	Confidence float64           `json:"confidence"`
	// Written is the confidence as the file has it, where marks have lowered it.
	// RightMarks and WrongMarks are threats of the rule that people marked as
	// resolved and as false positives.
	Written    float64 `json:"written,omitempty"`
	RightMarks int     `json:"right_marks,omitempty"`
	WrongMarks int     `json:"wrong_marks,omitempty"`
	// Sources are the types of log that it looks at.
	Sources []string `json:"sources"`
	Enabled bool     `json:"enabled"`
	// Custom: from the operator's directory, not built in.
	Custom bool   `json:"custom"`
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	// Matches and Fired count since the start.
	Matches uint64 `json:"matches"`
	Fired   uint64 `json:"fired"`
}

// RulesResult has the rules in the order of their ids.
type RulesResult struct {
	Rules    []RuleRow     `json:"rules"`
	Problems []RuleProblem `json:"problems"`
	// NotApplicable is as in RulesStatus.
	NotApplicable int `json:"not_applicable"`
}

// RuleParams names a rule.
type RuleParams struct {
	ID string `json:"id"`
}

// RuleResult is a rule in full.
type RuleResult struct {
	RuleRow
	Description string   `json:"description"`
	Tags        []string `json:"tags"`
	MITRE       []string `json:"mitre"`
	References  []string `json:"references"`
	// FalsePositives say what harmless things match, too.
	FalsePositives []string `json:"false_positives"`
	// YAML is the rule as it stands in its file.
	YAML string `json:"yaml"`
	// Origin is of rules in another format.
	Origin *RuleOrigin `json:"origin,omitempty"`
}

// RuleOrigin says where a rule in another format comes from.
type RuleOrigin struct {
	Format  string `json:"format"`
	ID      string `json:"id"`
	Author  string `json:"author"`
	License string `json:"license"`
	Status  string `json:"status"`
}

// ReloadResult is what came of reading the configuration and the rules again.
type ReloadResult struct {
	Generation int         `json:"generation"`
	Rules      RulesStatus `json:"rules"`
	// Changed has the keys whose values changed; Restart those of them that
	// need a restart.
	Changed []string `json:"changed"`
	Restart []string `json:"restart"`
	// Runtime has the keys that config.set gave a value, which wins over the
	// file's.
	Runtime []string `json:"runtime"`
}
