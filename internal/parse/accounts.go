package parse

import (
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// What the tools that keep accounts, cron and the session manager say. All of
// them write for this host: no address is to be found here.

// account reads the messages of useradd, usermod, gpasswd, passwd and their
// kin. EventUserAdd is an account that was made; all else that changes one is
// EventAccount, with the account in User.
func account(s string, ev *sentinel.Event) {
	if rest, ok := strings.CutPrefix(s, "new user: name="); ok {
		ev.Type = sentinel.EventUserAdd
		ev.User, _, _ = strings.Cut(rest, ", ")
		return
	}
	for _, f := range accountForms {
		rest, ok := strings.CutPrefix(s, f.head)
		if !ok {
			continue
		}
		ev.Type, ev.Outcome = sentinel.EventAccount, "success"
		if f.end != "" {
			if name, _, ok := strings.Cut(rest, f.end); ok {
				ev.User = name
			}
		}
		return
	}
}

// accountForms are the beginnings of messages about a change; the account's
// name stands between head and end. Without end the message is about a group.
var accountForms = [...]struct{ head, end string }{
	{"add '", "' to "},             // "add 'bob' to group 'sudo'", "... to shadow group 'sudo'"
	{"delete '", "' from "},        // "delete 'bob' from group 'sudo'"
	{"delete user '", "'"},         // userdel
	{"change user '", "' "},        // "change user 'bob' UID from '1001' to '0'"
	{"changed user '", "' "},       // chsh, chfn
	{"lock user '", "' "},          // usermod -L
	{"unlock user '", "' "},        // usermod -U
	{"password for '", "' "},       // "password for 'root' changed by 'root'"
	{"password changed for ", ","}, // passwd without PAM
	{"password expiry information for '", "' "},
	{"user ", " added by "},   // gpasswd -a
	{"user ", " removed by "}, // gpasswd -d
	{"members of group ", ""},
	{"new group: ", ""},
	{"group added to ", ""},
	{"removed group '", ""},
	{"group '", ""},
}

// cron reads "(USER) CMD (COMMAND)" and what crontab says of changed tables:
//
//	(root) REPLACE (bob)                     crontab FILE, or after an edit
//	(*system*name) RELOAD (/etc/cron.d/name) the daemon took up a changed table
func cron(s string, ev *sentinel.Event) {
	rest, ok := strings.CutPrefix(s, "(")
	if !ok {
		return
	}
	who, rest, ok := strings.Cut(rest, ") ")
	if !ok {
		return
	}
	switch verb, _, _ := strings.Cut(rest, " "); verb {
	case "CMD":
		ev.Type, ev.User = sentinel.EventExec, who
		ev.Exec.Cmdline = strings.TrimSuffix(strings.TrimPrefix(rest[len("CMD"):], " ("), ")")
	case "REPLACE", "DELETE", "RELOAD":
		ev.Type, ev.User = sentinel.EventFileWrite, who
	}
}

// logind reads "New session 5 of user alice." Such a line says who is here; the
// login itself is told by the program that let the user in.
func logind(s string, ev *sentinel.Event) {
	if !strings.HasPrefix(s, "New session ") {
		return
	}
	_, user, ok := strings.Cut(s, " of user ")
	if !ok {
		return
	}
	if rest, quoted := strings.CutPrefix(user, "'"); quoted {
		ev.User, _, _ = strings.Cut(rest, "' ")
		return
	}
	ev.User = strings.TrimSuffix(user, ".")
}
