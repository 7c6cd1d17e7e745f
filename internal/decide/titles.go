package decide

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// typeInfo is what people are told about a type of threat.
type typeInfo struct {
	title string
	// unit counts its events: "12 failed logins".
	one, many string
	// next is what to check, most useful first.
	next []string
}

// TypeTitle returns the name of a threat type for people: "sqli" is "SQL
// Injection". The words of an unknown type are put in capitals.
func TypeTitle(name string) string {
	if info, ok := lookUpType(name); ok {
		return info.title
	}
	if name == "" {
		return "Suspicious Activity"
	}
	words := strings.FieldsFunc(name, func(r rune) bool { return r == '_' || r == '-' || r == ' ' })
	for i, w := range words {
		r, n := utf8.DecodeRuneInString(w)
		words[i] = string(unicode.ToUpper(r)) + w[n:]
	}
	return strings.Join(words, " ")
}

// describeType returns what is known about a type, with defaults for the rest.
func describeType(name string) typeInfo {
	info, _ := lookUpType(name)
	if info.title == "" {
		info.title = TypeTitle(name)
	}
	if info.many == "" {
		info.one, info.many = "event", "events"
	}
	if len(info.next) == 0 {
		info.next = []string{"Look at the lines above: do you know this address, and is this something you or a service of yours does?"}
	}
	return info
}

func lookUpType(name string) (typeInfo, bool) {
	login := []string{
		"See whether a login from this address succeeded: sentinelctl threats, or your login history (last).",
		"If a password may be known to others, change it; for SSH prefer keys and turn password logins off.",
	}
	web := []string{
		"See what the server answered to these requests: a status of 200 where 403 or 404 is usual may mean that it worked.",
		"Update the application that was aimed at.",
	}
	host := []string{
		"Ask the person whose account this is whether they did it.",
		"If nobody did: disconnect the host from the network before you clean it, and keep its disk for a later look.",
	}
	request := func(title string, next []string) (typeInfo, bool) {
		return typeInfo{title, "request", "requests", next}, true
	}
	switch name {
	case "brute_force":
		return typeInfo{"Brute Force", "failed login", "failed logins", login}, true
	case "credential_stuffing":
		return typeInfo{"Credential Stuffing", "failed login", "failed logins", login}, true
	case "user_enum":
		return typeInfo{"User Enumeration", "failed login", "failed logins", login}, true
	case "repeat_offender":
		return typeInfo{"Repeat Offender", "event", "events", []string{"This address was blocked before and came back; a longer block needs no further step."}}, true
	case "compromise", "account_compromise":
		return typeInfo{"Possible Break-in", "event", "events", append([]string{"Someone logged in after many failures. If it was not you: lock the account, end its sessions, and look at what it ran."}, host[1:]...)}, true
	case "new_country", "impossible_travel":
		title := map[string]string{"new_country": "Login from a New Country", "impossible_travel": "Impossible Travel"}[name]
		return typeInfo{title, "login", "logins", []string{
			"Ask the person whose account this is: a journey, a VPN, a phone abroad?",
			"If it was somebody else: lock the account, end its sessions, change its password and keys, and look at what it did.",
		}}, true
	case "sqli":
		return request("SQL Injection", append(web, "Look into the database for accounts or rows that nobody made."))
	case "nosqli":
		return request("NoSQL Injection", web)
	case "ldap":
		return request("LDAP Injection", web)
	case "xss":
		return request("Cross-Site Scripting", append(web, "See whether the text was stored and is shown to others (comments, names, forms)."))
	case "traversal":
		return request("Path Traversal", append(web, "If a file was sent: change every password and key that it held."))
	case "sensitive_file":
		return request("Sensitive File Access", append(web, "If a file was sent (.env, backups, .git): change every password and key that it held."))
	case "rfi":
		return request("Remote File Inclusion", append(web, "Look for files that nobody put into the web root."))
	case "ssrf":
		return request("Server-Side Request Forgery", append(web, "On a cloud server, renew the credentials that its metadata service gives out."))
	case "open_redirect":
		return request("Open Redirect", web)
	case "xxe":
		return request("XML External Entity", web)
	case "ssi":
		return request("Server-Side Include Injection", web)
	case "rce":
		return request("Remote Command Execution", append(web, "Look for unknown processes, cron entries and outgoing connections of the web server's user."))
	case "code_injection":
		return request("Code Injection", append(web, "Look for unknown processes and files of the web server's user."))
	case "ssti":
		return request("Template Injection", web)
	case "log4shell":
		return request("Log4Shell", append([]string{"If any Java program here uses Log4j 2 before 2.17.1, update it now and look for outgoing LDAP or RMI connections."}, web[:1]...))
	case "webshell":
		return request("Webshell", append([]string{"See whether the file exists on this server. If it does and nobody put it there, the server is taken over."}, host[1:]...))
	case "vuln_probe":
		return request("Vulnerability Probe", web)
	case "crlf":
		return request("CRLF Injection", web)
	case "protocol":
		return request("Protocol Abuse", web[:1])
	case "session_fixation":
		return request("Session Fixation", web)
	case "proxy_abuse":
		return request("Proxy Abuse", []string{"Make sure that the web server does not forward requests to other hosts (proxy_pass with a variable, ProxyRequests On)."})
	case "scanner":
		return request("Vulnerability Scanner", append([]string{"If this is a test of your own, put its address on the allowlist: sentinelctl whitelist add."}, web[:1]...))
	case "crawl":
		return request("Aggressive Crawling", []string{"If you know the crawler and want it, put its address on the allowlist: sentinelctl whitelist add."})
	case "port_scan":
		return typeInfo{"Port Scan", "connection", "connections", []string{"See which ports are open to everybody: ss -tlnp; close what need not be."}}, true
	case "dos":
		return request("Denial of Service", []string{"See whether the site still answers. If many addresses take part, limit rates in the web server or ask your provider."})
	case "spam":
		return typeInfo{"Spam", "message", "messages", []string{"Make sure that the mail server does not relay for strangers, and look at its queue (mailq)."}}, true
	case "dns_abuse":
		return typeInfo{"DNS Abuse", "query", "queries", []string{"Make sure that the name server answers recursive queries for your own networks only."}}, true
	case "priv_esc":
		return typeInfo{"Privilege Escalation", "event", "events", host}, true
	case "host_exploit":
		return typeInfo{"Host Exploit", "event", "events", host}, true
	case "web_attack":
		return request("Web Attack", web)
	case AnomalyGroup:
		return typeInfo{"Unusual Behaviour", "unusual stretch of time", "unusual stretches of time", []string{
			"Look at what this address asked for: is it a client that you know, a new program of yours, or a visitor who is searching for holes?",
			"Nothing is blocked for being unusual alone; if it is an attacker, block it: sentinelctl block.",
		}}, true
	case "auth":
		return typeInfo{"Suspicious Login", "event", "events", login}, true
	case "recon":
		return request("Reconnaissance", web[:1])
	case "llm_injection":
		return request("Instructions to a Language Model", []string{"A log field addresses a language model. Nothing needs to be done unless one reads your logs without protection."})
	}
	return typeInfo{}, false
}
