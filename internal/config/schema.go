package config

import (
	"maps"
	"slices"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// schema returns all keys of the file, in the order in which they are shown,
// tied to the fields of c.
func schema(c *Config) section {
	return section{
		{"agent", section{
			{"id", &text{p: &c.Agent.ID, check: agentID}},
			{"hostname", &text{p: &c.Agent.Hostname, check: hostname}},
			{"log_level", newEnum(&c.Agent.LogLevel, "debug", "info", "warning", "error")},
			{"log_format", newEnum(&c.Agent.LogFormat, "auto", "text", "json")},
			{"socket", &text{p: &c.Agent.Socket, check: socketPath}},
			{"sandbox", newEnum(&c.Agent.Sandbox, SandboxAuto, SandboxOff)},
		}},
		{"logs", section{
			{"discovery", &boolean{&c.Logs.Discovery}},
			{"journal", newEnum(&c.Logs.Journal, JournalAuto, JournalOn, JournalOff)},
			{"journal_units", &texts{p: &c.Logs.JournalUnits, check: unitName, what: "the name of a unit"}},
			{"sources", &sources{&c.Logs.Sources}},
		}},
		{"detection", section{
			{"rules", section{
				{"enabled", &boolean{&c.Detection.Rules.Enabled}},
				{"custom_rules_dir", &text{p: &c.Detection.Rules.CustomDir, check: absolutePath}},
				{"exceptions_dir", &text{p: &c.Detection.Rules.ExceptionsDir, check: absolutePath}},
				{"lists_dir", &text{p: &c.Detection.Rules.ListsDir, check: absolutePath}},
				{"disabled", &texts{p: &c.Detection.Rules.Disabled, check: ruleID, what: "the id of a rule"}},
			}},
			{"anomaly", section{
				{"enabled", &boolean{&c.Detection.Anomaly.Enabled}},
				{"learning_period", &duration{&c.Detection.Anomaly.LearningPeriod, 24 * time.Hour, 90 * 24 * time.Hour}},
				{"sensitivity", newEnum(&c.Detection.Anomaly.Sensitivity, SensitivityLow, SensitivityMedium, SensitivityHigh)},
			}},
			{"profiles", profileSchema(&c.Detection.Profiles)},
			{"payload", section{
				{"enabled", &boolean{&c.Detection.Payload.Enabled}},
			}},
		}},
		{"response", section{
			{"mode", newEnum(&c.Response.Mode, ModeObserve, ModeProtect)},
			{"auto_block", &boolean{&c.Response.AutoBlock}},
			{"min_score", &number{&c.Response.MinScore, 0.6, 1}},
			{"block_duration", section{
				{"HIGH", &duration{&c.Response.BlockDuration.High, time.Second, 7 * 24 * time.Hour}},
				{"CRITICAL", &duration{&c.Response.BlockDuration.Critical, time.Second, 7 * 24 * time.Hour}},
			}},
			{"escalation", section{
				{"factor", &number{&c.Response.Escalation.Factor, 1, 10}},
				{"max", &duration{&c.Response.Escalation.Max, time.Second, 366 * 24 * time.Hour}},
			}},
			{"graded", section{
				{"enabled", &boolean{&c.Response.Graded.Enabled}},
				{"rate", &rate{&c.Response.Graded.Rate}},
			}},
			{"max_blocks", &integer{&c.Response.MaxBlocks, 1, 1_000_000}},
			{"max_new_blocks_per_minute", &integer{&c.Response.MaxNewBlocksPerMinute, 1, 1_000_000}},
			{"max_prefix", section{
				{"v4", &integer{&c.Response.MaxPrefix.V4, 16, 32}},
				{"v6", &integer{&c.Response.MaxPrefix.V6, 32, 64}},
			}},
			{"prefix_block", &boolean{&c.Response.PrefixBlock}},
			{"block_private", &boolean{&c.Response.BlockPrivate}},
			{"whitelist", &hosts{&c.Response.Whitelist, &c.Response.WhitelistNames, &c.Response.WhitelistPlaces}},
			{"names", section{
				{"resolver", &text{p: &c.Response.Names.Resolver, check: resolver}},
				{"refresh", &duration{&c.Response.Names.Refresh, 10 * time.Second, time.Hour}},
			}},
			{"key_logins", &duration{&c.Response.KeyLogins, 0, 365 * 24 * time.Hour}},
			{"protect_cdn", &boolean{&c.Response.ProtectCDN}},
			{"proxy_denylist", section{
				{"path", &text{p: &c.Response.ProxyDenylist.Path, check: absoluteOrNone}},
				{"format", newEnum(&c.Response.ProxyDenylist.Format, DenyNginx, DenyApache, DenyCaddy, DenyPlain)},
			}},
			{"firewall", section{
				{"backend", newEnum(&c.Response.Firewall.Backend, BackendAuto, BackendNFTables, BackendIPTables, BackendUFW, BackendDryRun)},
			}},
		}},
		{"geo", section{
			{"enabled", &boolean{&c.Geo.Enabled}},
			{"country_database", &text{p: &c.Geo.CountryDatabase, check: autoOrPath}},
			{"asn_database", &text{p: &c.Geo.ASNDatabase, check: autoOrPath}},
		}},
		{"database", section{
			{"path", &text{p: &c.Database.Path, check: absolutePath}},
			{"retention_days", &integer{&c.Database.RetentionDays, 1, 3650}},
		}},
		{"metrics", section{
			{"listen", &text{p: &c.Metrics.Listen, check: loopback}},
		}},
		{"performance", section{
			{"batch_size", &integer{&c.Performance.BatchSize, 1, 65536}},
		}},
	}
}

// sourceSchema is the schema of one entry of logs.sources.
func sourceSchema(s *Source) section {
	return section{
		{"path", &text{p: &s.Path, check: globPath}},
		{"type", newEnum(&s.Type, sourceTypes()...).alias("system", sentinel.TypeSyslog).
			alias("caddy", sentinel.TypeJSON).alias("traefik", sentinel.TypeAuto).alias("haproxy", sentinel.TypeAuto).alias("lighttpd", sentinel.TypeApache)},
		{"trusted_proxies", &networks{&s.TrustedProxies}},
		{"log_format", &text{p: &s.LogFormat, check: logFormat}},
		{"from_start", &boolean{&s.FromStart}},
		{"timezone", &timezone{s}},
	}
}

// profileSchema has a key for each application.
func profileSchema(p *Profiles) section {
	var s section
	for i, name := range profileNames {
		s = append(s, entry{name, newEnum(&p[i], ProfileAuto, ProfileOn, ProfileOff)})
	}
	return s
}

func sourceTypes() []sentinel.SourceType {
	return []sentinel.SourceType{
		sentinel.TypeAuto, sentinel.TypeSSH, sentinel.TypeNginx, sentinel.TypeApache, sentinel.TypeSyslog,
		sentinel.TypeKernel, sentinel.TypeFirewall, sentinel.TypeAudit, sentinel.TypeMail, sentinel.TypeFTP,
		sentinel.TypeDNS, sentinel.TypeDB, sentinel.TypeJSON, sentinel.TypeApp, sentinel.TypeJournal,
	}
}

// unsupported has keys that a reader of other documentation may expect, and why
// they are not there.
func unsupported(key string) (message, hint string, ok bool) {
	const later = "not supported by this version"
	const remove = "remove it"
	known := map[string][2]string{
		"notifications":                     {later, remove + "; threats are shown by 'sentinelctl threats'"},
		"cloud":                             {later, remove + "; this agent works by itself"},
		"reports":                           {later, remove},
		"scan":                              {later, remove},
		"detection.llm":                     {later, remove + "; only rules detect"},
		"performance.max_events_per_second": {later + ": no line is dropped, the log files are the buffer", remove},
		"performance.worker_threads":        {later + ": one engine judges all lines", remove + "; GOMAXPROCS in the environment bounds the cores used"},
	}
	v, ok := known[key]
	return v[0], v[1], ok
}

// Keys returns the full names of all keys outside lists, in the order of the
// file, for example "response.firewall.backend".
func Keys() []string {
	var keys []string
	schema(Default()).walk("", func(key string, _ value) { keys = append(keys, key) })
	return keys
}

// Words returns the values that a key may have, if these are few words.
func Words(key string) []string {
	v, err := lookup(key)
	if err != nil {
		return nil
	}
	switch v := v.(type) {
	case *boolean:
		return []string{"true", "false"}
	case interface{ options() []string }:
		return v.options()
	}
	return nil
}

// Changed returns the keys whose values differ, sorted.
func Changed(a, b *Config) []string {
	return differences(schema(a), schema(b))
}

func differences(a, b section) []string {
	was := map[string]string{}
	a.walk("", func(key string, v value) { was[key] = fingerprint(v) })
	changed := map[string]bool{}
	b.walk("", func(key string, v value) {
		if was[key] != fingerprint(v) {
			changed[key] = true
		}
	})
	return slices.Sorted(maps.Keys(changed))
}

// fingerprint returns a text that is equal for equal values, not for showing.
func fingerprint(v value) string {
	if s, ok := v.(*secret); ok {
		return s.p.Reveal()
	}
	return flat(v.show())
}
