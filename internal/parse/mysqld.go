package parse

import (
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// mysqld reads "... Access denied for user 'NAME'@'HOST' (using password: YES)".
// NAME is the client's, what follows it is not.
func mysqld(s string, ev *sentinel.Event) {
	ev.SourceType = sentinel.TypeDB
	if i := strings.Index(s, "Aborted connection "); i >= 0 && strings.IndexByte(s[:i], '\'') < 0 {
		mysqlGrammar.read(s[i:], ev)
		return
	}
	i := strings.Index(s, "Access denied for user '")
	if i < 0 || strings.IndexByte(s[:i], '\'') >= 0 {
		return
	}
	rest := s[i+len("Access denied for user '"):]
	if cut, ok := strings.CutSuffix(rest, " (using password: YES)"); ok {
		rest = cut
	} else if cut, ok := strings.CutSuffix(rest, " (using password: NO)"); ok {
		rest = cut
	}
	at := strings.LastIndex(rest, "'@'")
	if at < 0 || rest[len(rest)-1] != '\'' || at+3 > len(rest)-1 {
		return
	}
	named(rest[at+3:len(rest)-1], ev)
	ev.User = rest[:at]
}

// mysqlGrammar has connections that ended before a login. The reason is the
// server's; the names of database and user are the client's.
var mysqlGrammar = newGrammar("mysqld", sentinel.TypeDB, nil, []message{
	{probes, `Aborted connection {int} to db: '{any}' user: 'unauthenticated' host: '{addr}' ({srv})`},
	{nothing, `Aborted connection {int} to db: '{any}' user: '{user}' host: '{addr}' ({srv})`},
})
