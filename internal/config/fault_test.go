package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// faults are files with faults and all that must be said of them:
// line:column+width key: message | hint.
func faults() []struct {
	name, text string
	want       []string
} {
	return []struct {
		name, text string
		want       []string
	}{
		{"unknown section", "respones:\n  mode: observe\n",
			[]string{
				`1:1+8 respones: there is no key "respones" | did you mean response?`,
			}},
		{"unknown key", "agent:\n  id: a\n  log_levle: info\n",
			[]string{
				`3:3+9 agent.log_levle: there is no key "log_levle" in agent | did you mean log_level?`,
			}},
		{"unknown key far from all", "agent:\n  colour: red\n",
			[]string{
				`2:3+6 agent.colour: there is no key "colour" in agent | known here: id, hostname, log_level, log_format, socket, sandbox`,
			}},
		{"key in the wrong section", "max_blocks: 5\n",
			[]string{
				`1:1+10 max_blocks: there is no key "max_blocks" | did you mean response.max_blocks?`,
			}},
		{"key of a deeper section", "response:\n  backend: auto\n",
			[]string{
				`2:3+7 response.backend: there is no key "backend" in response | did you mean response.firewall.backend?`,
			}},
		{"key of a later part", "notifications:\n  telegram: {enabled: false}\n",
			[]string{
				`1:1+13 notifications: not supported by this version | remove it; threats are shown by 'sentinelctl threats'`,
			}},
		{"key of a later part, nested", "detection:\n  rules: {enabled: true}\n  llm: {enabled: false}\n",
			[]string{
				`3:3+3 detection.llm: not supported by this version | remove it; only rules detect`,
			}},
		{"keys that do nothing", "performance:\n  max_events_per_second: 10000\n  worker_threads: 2\n  batch_size: 100\n",
			[]string{
				`2:3+21 performance.max_events_per_second: not supported by this version: no line is dropped, the log files are the buffer | remove it`,
				`3:3+14 performance.worker_threads: not supported by this version: one engine judges all lines | remove it; GOMAXPROCS in the environment bounds the cores used`,
			}},
		{"unknown key of a source", "logs:\n  sources:\n    - path: /a\n      typ: ssh\n",
			[]string{
				`4:7+3 logs.sources[0].typ: there is no key "typ" in logs.sources[0] | did you mean type?`,
			}},
		{"severity without blocks", "response:\n  block_duration:\n    MEDIUM: 60\n",
			[]string{
				`3:5+6 response.block_duration.MEDIUM: there is no key "MEDIUM" in response.block_duration | known here: HIGH, CRITICAL`,
			}},
		{"severity in small letters", "response:\n  block_duration:\n    high: 60\n",
			[]string{
				`3:5+4 response.block_duration.high: there is no key "high" in response.block_duration | did you mean HIGH?`,
			}},
		{"duplicate key", "agent:\n  id: a\n  id: b\n",
			[]string{
				`3:3+2 agent.id: this key is already on line 2 | remove one of them`,
			}},
		{"duplicate section", "agent: {}\nlogs: {}\nagent: {}\n",
			[]string{
				`3:1+5 agent: this key is already on line 1 | remove one of them`,
			}},
		{"section is a list", "agent:\n  - id: a\n",
			[]string{
				`2:3+1 agent: expected the keys id, hostname, log_level, log_format, socket, sandbox, found a list`,
			}},
		{"section is a text", "logs: true\n",
			[]string{
				`1:7+4 logs: expected the keys discovery, journal, journal_units, sources, found "true"`,
			}},
		{"the file is a list", "- agent\n- logs\n",
			[]string{
				`1:1+1 expected the keys agent, logs, detection, response, geo, database, metrics, performance, found a list`,
			}},
		{"the file is a text", "agent\n",
			[]string{
				`1:1+5 expected the keys agent, logs, detection, response, geo, database, metrics, performance, found the text "agent"`,
			}},
		{"text is missing", "agent:\n  id:\n",
			[]string{
				`2:6+1 agent.id: expected a text, found nothing`,
			}},
		{"text is a list", "agent:\n  id: [a]\n",
			[]string{
				`2:7+1 agent.id: expected a text, found a list`,
			}},
		{"id with spaces", "agent:\n  id: my server\n",
			[]string{
				`2:7+9 agent.id: "my server" is not a name of 1 to 64 letters, digits, '.', '_' and '-' that begins with a letter or digit`,
			}},
		{"empty id", "agent:\n  id: \"\"\n",
			[]string{
				`2:7+2 agent.id: "" is not a name of 1 to 64 letters, digits, '.', '_' and '-' that begins with a letter or digit`,
			}},
		{"log level", "agent:\n  log_level: warn\n",
			[]string{
				`2:14+4 agent.log_level: "warn" is not one of debug, info, warning, error | did you mean warning?`,
			}},
		{"log level unknown", "agent:\n  log_level: chatty\n",
			[]string{
				`2:14+6 agent.log_level: "chatty" is not one of debug, info, warning, error`,
			}},
		{"metrics for other hosts", "metrics:\n  listen: 0.0.0.0:9464\n",
			[]string{
				`2:11+12 metrics.listen: "0.0.0.0:9464" can be reached from other hosts: only loopback addresses are served, like 127.0.0.1:9464; let a proxy or an agent of your monitoring fetch the figures there`,
			}},
		{"metrics by name", "metrics:\n  listen: localhost:9464\n",
			[]string{
				`2:11+14 metrics.listen: "localhost:9464" is not off or a loopback address with a port, like 127.0.0.1:9464`,
			}},
		{"socket relative", "agent:\n  socket: sentinel.sock\n",
			[]string{
				`2:11+13 agent.socket: "sentinel.sock" is not an absolute path: it must begin with /`,
			}},
		{"socket too long", "agent:\n  socket: /run/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/s\n",
			[]string{
				`2:11+97 agent.socket: the path has 97 bytes: that of a socket may have at most 90`,
			}},
		{"socket is a directory", "agent:\n  socket: /run/sentinel/\n",
			[]string{
				`2:11+14 agent.socket: "/run/sentinel/" is a directory: expected the path of the socket in it`,
			}},
		{"boolean yes", "logs:\n  discovery: yes\n",
			[]string{
				`2:14+3 logs.discovery: expected true or false, found the text "yes" | write true`,
			}},
		{"boolean quoted", "logs:\n  discovery: \"false\"\n",
			[]string{
				`2:14+7 logs.discovery: expected true or false, found the text "false" | write false`,
			}},
		{"boolean other", "response:\n  auto_block: maybe\n",
			[]string{
				`2:15+5 response.auto_block: expected true or false, found the text "maybe"`,
			}},
		{"sources is a text", "logs:\n  sources: /var/log/auth.log\n",
			[]string{
				`2:12+17 logs.sources: expected a list, each a source with a path, found the text "/var/log/auth.log" | write [{path: /var/log/auth.log}]`,
			}},
		{"source is a text", "logs:\n  sources:\n    - /var/log/auth.log\n",
			[]string{
				`3:7+17 logs.sources[0]: expected a source with a path, found the text "/var/log/auth.log" | write '- path: /var/log/auth.log'`,
			}},
		{"source without a path", "logs:\n  sources:\n    - type: ssh\n",
			[]string{
				`3:7+1 logs.sources[0]: this source has no path | add 'path: /var/log/…'`,
			}},
		{"source empty", "logs:\n  sources:\n    -\n",
			[]string{
				`3:6+1 logs.sources[0]: this source has no path | add 'path: /var/log/…'`,
			}},
		{"source relative", "logs:\n  sources: [{path: auth.log}]\n",
			[]string{
				`2:20+8 logs.sources[0].path: "auth.log" is not an absolute path: it must begin with /`,
			}},
		{"source pattern", "logs:\n  sources:\n    - path: \"/var/log/[a\"\n",
			[]string{
				`3:13+13 logs.sources[0].path: "/var/log/[a" is not a pattern: a [ has no ], or a \ stands at the end`,
			}},
		{"journal as a pattern", "logs:\n  sources:\n    - {path: /srv/*/journal, type: journald}\n",
			[]string{
				`3:7+1 logs.sources[0]: "/srv/*/journal" is a pattern: expected the directory of a journal | write the directory that holds the *.journal files`,
			}},
		{"journal unknown word", "logs:\n  journal: maybe\n",
			[]string{
				`2:12+5 logs.journal: "maybe" is not one of auto, true, false`,
			}},
		{"journal unit", "logs:\n  journal_units: [\"--flush\"]\n",
			[]string{
				`2:19+9 logs.journal_units: "--flush" is not the name of a unit such as ssh.service`,
			}},
		{"source twice", "logs:\n  sources:\n    - path: /a\n    - path: /a\n",
			[]string{
				`4:7+1 logs.sources[1]: "/a" is already on line 3 | remove one of them`,
			}},
		{"source type", "logs:\n  sources:\n    - {path: /a, type: ngnix}\n",
			[]string{
				`3:24+5 logs.sources[0].type: "ngnix" is not one of auto, ssh, nginx, apache, syslog, kernel, firewall, audit, mail, ftp, dns, db, json, app, journald | did you mean nginx?`,
			}},
		{"proxy", "logs:\n  sources:\n    - path: /a\n      trusted_proxies: [cloudflare]\n",
			[]string{
				`4:25+10 logs.sources[0].trusted_proxies: "cloudflare" is not an address like 203.0.113.7 or a network like 198.51.100.0/24 or 2001:db8::/32`,
			}},
		{"proxy everything", "logs:\n  sources:\n    - path: /a\n      trusted_proxies: [0.0.0.0/0]\n",
			[]string{
				`4:25+9 logs.sources[0].trusted_proxies: "0.0.0.0/0" is every address there is | name the networks that you mean`,
			}},
		{"timezone", "logs:\n  sources:\n    - path: /a\n      timezone: Mars/Olympus\n",
			[]string{
				`4:17+12 logs.sources[0].timezone: "Mars/Olympus" is not in this host's time-zone database: expected local, UTC or a name like Europe/Berlin`,
			}},
		{"timezone that is a path", "logs:\n  sources:\n    - path: /a\n      timezone: ../../etc/passwd\n",
			[]string{
				`4:17+16 logs.sources[0].timezone: "../../etc/passwd" is not in this host's time-zone database: expected local, UTC or a name like Europe/Berlin`,
			}},
		{"rule id", "detection:\n  rules:\n    disabled: [ok, 'not ok']\n",
			[]string{
				`3:20+8 detection.rules.disabled: "not ok" is not a name of 1 to 128 letters, digits, '.', '_' and '-' that begins with a letter or digit`,
			}},
		{"rule id twice", "detection:\n  rules:\n    disabled:\n      - a\n      - a\n",
			[]string{
				`5:9+1 detection.rules.disabled: "a" is already on line 4 | remove one of them`,
			}},
		{"mode", "response:\n  mode: protected\n",
			[]string{
				`2:9+9 response.mode: "protected" is not one of observe, protect | did you mean protect?`,
			}},
		{"score low", "response:\n  min_score: 0.3\n",
			[]string{
				`2:14+3 response.min_score: 0.3 is not between 0.6 and 1`,
			}},
		{"score high", "response:\n  min_score: 1.01\n",
			[]string{
				`2:14+4 response.min_score: 1.01 is not between 0.6 and 1`,
			}},
		{"score negative", "response:\n  min_score: -1\n",
			[]string{
				`2:14+2 response.min_score: -1 is not between 0.6 and 1`,
			}},
		{"score not a number", "response:\n  min_score: .nan\n",
			[]string{
				`2:14+4 response.min_score: expected a number from 0.6 to 1, found ".nan"`,
			}},
		{"score quoted", "response:\n  min_score: '0.7'\n",
			[]string{
				`2:14+5 response.min_score: expected a number from 0.6 to 1, found the text "0.7" | remove the quotes`,
			}},
		{"score text", "response:\n  min_score: high\n",
			[]string{
				`2:14+4 response.min_score: expected a number from 0.6 to 1, found the text "high"`,
			}},
		{"duration negative", "response:\n  block_duration: {HIGH: -5}\n",
			[]string{
				`2:26+2 response.block_duration.HIGH: "-5" is negative: expected a duration from 1s to 7d, as seconds or like 90s, 15m, 24h, 7d`,
			}},
		{"duration negative with unit", "response:\n  block_duration:\n    HIGH: -5m\n",
			[]string{
				`3:11+3 response.block_duration.HIGH: "-5m" is negative: expected a duration from 1s to 7d, as seconds or like 90s, 15m, 24h, 7d`,
			}},
		{"duration zero", "response:\n  block_duration:\n    HIGH: 0\n",
			[]string{
				`3:11+1 response.block_duration.HIGH: 0 is not between 1s and 7d`,
			}},
		{"duration too long", "response:\n  block_duration:\n    CRITICAL: 8d\n",
			[]string{
				`3:15+2 response.block_duration.CRITICAL: 8d is not between 1s and 7d`,
			}},
		{"duration overflow", "response:\n  block_duration:\n    CRITICAL: 99999999999999d\n",
			[]string{
				`3:15+15 response.block_duration.CRITICAL: 99999999999999d is not between 1s and 7d`,
			}},
		{"duration unit", "response:\n  block_duration:\n    CRITICAL: 5 minutes\n",
			[]string{
				`3:15+9 response.block_duration.CRITICAL: expected a duration from 1s to 7d, as seconds or like 90s, 15m, 24h, 7d, found the text "5 minutes"`,
			}},
		{"duration fraction", "response:\n  block_duration:\n    CRITICAL: 1.5\n",
			[]string{
				`3:15+3 response.block_duration.CRITICAL: expected a duration from 1s to 7d, as seconds or like 90s, 15m, 24h, 7d, found "1.5"`,
			}},
		{"integer text", "response:\n  max_blocks: many\n",
			[]string{
				`2:15+4 response.max_blocks: expected a whole number from 1 to 1000000, found the text "many"`,
			}},
		{"integer fraction", "response:\n  max_blocks: 1.5\n",
			[]string{
				`2:15+3 response.max_blocks: expected a whole number from 1 to 1000000, found "1.5"`,
			}},
		{"integer quoted", "response:\n  max_blocks: \"5\"\n",
			[]string{
				`2:15+3 response.max_blocks: expected a whole number from 1 to 1000000, found the text "5" | remove the quotes`,
			}},
		{"integer zero", "response:\n  max_blocks: 0\n",
			[]string{
				`2:15+1 response.max_blocks: 0 is not between 1 and 1000000`,
			}},
		{"integer negative", "database:\n  retention_days: -1\n",
			[]string{
				`2:19+2 database.retention_days: -1 is not between 1 and 3650`,
			}},
		{"integer huge", "performance:\n  batch_size: 99999999999999999999\n",
			[]string{
				`2:15+20 performance.batch_size: expected a whole number from 1 to 65536, found "99999999999999999999"`,
			}},
		{"integer hexadecimal", "performance:\n  batch_size: 0x10\n",
			[]string{
				`2:15+4 performance.batch_size: expected a whole number from 1 to 65536, found "0x10"`,
			}},
		{"prefix", "response:\n  max_prefix: {v4: 8, v6: 128}\n",
			[]string{
				`2:20+1 response.max_prefix.v4: 8 is not between 16 and 32`,
				`2:27+3 response.max_prefix.v6: 128 is not between 32 and 64`,
			}},
		{"whitelist host bits", "response:\n  whitelist:\n    - 10.0.0.1/8\n",
			[]string{
				`3:7+10 response.whitelist: "10.0.0.1/8" has bits set after /8 | write 10.0.0.0/8 for the network or 10.0.0.1 for the address`,
			}},
		{"whitelist name", "response:\n  whitelist: [office_example]\n",
			[]string{
				`2:15+14 response.whitelist: "office_example" is not an address like 203.0.113.7 or a network like 198.51.100.0/24 or 2001:db8::/32`,
			}},
		{"whitelist everything", "response:\n  whitelist: ['::/0']\n",
			[]string{
				`2:15+6 response.whitelist: "::/0" is every address there is | name the networks that you mean`,
			}},
		{"whitelist twice", "response:\n  whitelist:\n    - 10.1.2.3\n    - ::ffff:10.1.2.3\n",
			[]string{
				`4:7+15 response.whitelist: "::ffff:10.1.2.3" is already on line 3 | remove one of them`,
			}},
		{"whitelist text", "response:\n  whitelist: 10.0.0.0/8\n",
			[]string{
				`2:14+10 response.whitelist: expected a list, each an address, a network, the name of a host, AS64500 or country:DE, found the text "10.0.0.0/8" | write [10.0.0.0/8]`,
			}},
		{"whitelist bad length", "response:\n  whitelist: [10.0.0.0/33]\n",
			[]string{
				`2:15+11 response.whitelist: "10.0.0.0/33" is not an address like 203.0.113.7 or a network like 198.51.100.0/24 or 2001:db8::/32`,
			}},
		{"backend unknown", "response:\n  firewall: {backend: nftable}\n",
			[]string{
				`2:23+7 response.firewall.backend: "nftable" is not one of auto, nftables, iptables, ufw, dryrun | did you mean nftables?`,
			}},
		{"path empty", "database:\n  path: ''\n",
			[]string{
				`2:9+2 database.path: expected an absolute path, found nothing`,
			}},
		{"alias", "agent:\n  id: &x a\n  hostname: *x\n",
			[]string{
				`2:7+1 agent.id: anchors (&x) are not supported | write the value where it is needed`,
				`3:13+1 agent.hostname: aliases (*x) are not supported | write the value itself`,
			}},
		{"tag", "agent:\n  id: !!binary YQ==\n",
			[]string{
				`2:7+1 agent.id: the tag !!binary is not supported | remove it`,
			}},
		{"merge", "agent:\n  <<: {id: a}\n",
			[]string{
				`2:3+2 agent: merging (<<) is not supported | write the keys themselves`,
			}},
		{"key is a list", "[a, b]: c\n",
			[]string{
				`1:1+1 expected a key, found a list`,
			}},
		{"tab", "agent:\n\tid: a\n",
			[]string{
				`2:1+1 this is not YAML: found character that cannot start any token | indent with spaces, not with tabs`,
			}},
		{"unclosed list", "response:\n  whitelist: [10.0.0.0/8\ndatabase: {}\n",
			[]string{
				`3:9+1 this is not YAML: did not find expected ',' or ']' | while parsing a flow sequence that begins on line 2`,
			}},
		{"unclosed quote", "agent:\n  id: \"abc\n",
			[]string{
				`2:11+1 this is not YAML: found unexpected end of stream | while scanning a quoted scalar that begins on line 2`,
			}},
		{"two colons", "agent: id: a\n",
			[]string{
				`1:10+1 this is not YAML: mapping values are not allowed in this context | the line is indented wrongly, or a value that holds ': ' needs quotes`,
			}},
		{"indentation", "agent:\n  id: a\n   hostname: b\n",
			[]string{
				`3:12+1 this is not YAML: mapping values are not allowed in this context | the line is indented wrongly, or a value that holds ': ' needs quotes`,
			}},
		{"two documents", "agent: {}\n---\nlogs: {}\n",
			[]string{
				`2:1+1 a second document begins here | put all keys into one document`,
			}},
		{"not UTF-8", "agent:\n  id: \xff\n",
			[]string{
				`2:7+1 byte 0xff is not text | the file must be UTF-8 without control characters`,
			}},
		{"control character", "agent:\n  id: a\x1b[31m\n",
			[]string{
				`2:8+1 byte 0x1b is not text | the file must be UTF-8 without control characters`,
			}},
		{"UTF-16", "\xff\xfea\x00",
			[]string{
				`1:1+1 byte 0xff is not text | the file must be UTF-8 without control characters`,
			}},
		{"after wide letters", "agent: {hostname: \"üü\", id: \"ö\"}\n",
			[]string{
				`1:19+4 agent.hostname: "üü" is not a name of 1 to 253 letters, digits, '.', '_' and '-' that begins with a letter or digit`,
				`1:29+3 agent.id: "ö" is not a name of 1 to 64 letters, digits, '.', '_' and '-' that begins with a letter or digit`,
			}},
		{"many at once", "agent:\n  idd: a\nresponse:\n  mode: x\n  min_score: 7\nlogs:\n  sources:\n    - path: a\n      type: b\n      from_start: c\n",
			[]string{
				`2:3+3 agent.idd: there is no key "idd" in agent | did you mean id?`,
				`4:9+1 response.mode: "x" is not one of observe, protect`,
				`5:14+1 response.min_score: 7 is not between 0.6 and 1`,
				`8:13+1 logs.sources[0].path: "a" is not an absolute path: it must begin with /`,
				`9:13+1 logs.sources[0].type: "b" is not one of auto, ssh, nginx, apache, syslog, kernel, firewall, audit, mail, ftp, dns, db, json, app, journald`,
				`10:19+1 logs.sources[0].from_start: expected true or false, found the text "c"`,
			}},
	}
}

func TestFaultConfigFile(t *testing.T) {
	t.Run("D14 unknown keys, wrong types, values out of bounds: each with its place", func(t *testing.T) {
		for _, test := range faults() {
			c, problems := Parse("c.yml", []byte(test.text))
			if c != nil {
				t.Errorf("%s: a configuration was returned beside problems", test.name)
			}
			var got []string
			for _, p := range problems {
				s := fmt.Sprintf("%d:%d+%d ", p.Line, p.Column, p.Width)
				if p.Key != "" {
					s += p.Key + ": "
				}
				s += p.Message
				if p.Hint != "" {
					s += " | " + p.Hint
				}
				got = append(got, s)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%s: got\n%s\nwant\n%s", test.name, strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		}
	})
}
