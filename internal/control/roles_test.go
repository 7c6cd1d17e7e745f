package control

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"testing"
)

// requests are parameters with which each method works.
func requests() map[string]string {
	return map[string]string{
		MethodStatus: `{}`, MethodReload: `{}`, MethodMetrics: `{}`, MethodThreats: `{"limit":1}`, MethodThreat: `{"id":"X1"}`,
		MethodExplain: `{"id":"X1"}`, MethodThreatStatus: `{"id":"X1","status":"resolved"}`, MethodTail: `{}`,
		MethodWhyNot: `{"ip":"203.0.113.7"}`, MethodSources: `{}`, MethodDiscover: `{}`, MethodUnparsed: `{}`, MethodBaselines: `{}`, MethodForget: `{"all":true}`, MethodBlock: `{"ip":"203.0.113.7"}`, MethodUnblock: `{"ip":"203.0.113.7"}`, MethodConfirm: `{"ip":"203.0.113.7"}`,
		MethodBlocks: `{}`, MethodConfig: `{"key":"agent"}`, MethodConfigSet: `{"key":"response.mode","value":"observe"}`, MethodConfigUnset: `{}`, MethodAllow: `{"ip":"203.0.113.7"}`, MethodDisallow: `{"ip":"203.0.113.7"}`,
		MethodAllowed: `{}`, MethodSuggest: `{}`, MethodAddress: `{"ip":"203.0.113.7"}`, MethodGeo: `{"addresses":["203.0.113.7"]}`, MethodRules: `{}`, MethodRule: `{"id":"a"}`,
	}
}

// members may call these; all others are for administrators.
var forMembers = []string{
	MethodStatus, MethodMetrics, MethodThreats, MethodThreat, MethodExplain, MethodWhyNot, MethodThreatStatus, MethodTail, MethodSources, MethodDiscover, MethodUnparsed, MethodBaselines,
	MethodBlock, MethodUnblock, MethodConfirm, MethodBlocks, MethodConfig, MethodAllowed, MethodSuggest, MethodAddress, MethodGeo, MethodRules, MethodRule,
}

// accounts are the users of the matrix; who is not root tests itself.
func accounts() []struct {
	name string
	account
	role Role
	// mode lets it connect.
	mode bool
} {
	type row = struct {
		name string
		account
		role Role
		mode bool
	}
	rows := []row{{"the agent's own user", account{uid: os.Geteuid(), gid: os.Getegid()}, RoleAdmin, true}}
	if os.Geteuid() != 0 {
		return rows
	}
	return append(rows,
		row{"member by its first group", account{4100, memberGID, nil}, RoleMember, true},
		row{"member by another group", account{4101, 4101, []int{5000, memberGID}}, RoleMember, true},
		row{"administrator in both groups", account{4102, 4102, []int{memberGID, adminGID}}, RoleAdmin, true},
		row{"administrator in one group", account{4103, adminGID, nil}, RoleAdmin, false},
		row{"nobody", account{4104, 4104, nil}, RoleNone, false},
		row{"nobody with many groups", account{4105, 4105, many(5001, 400)}, RoleNone, false},
	)
}

func many(from, n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = from + i
	}
	return list
}

// Every method for every user: by the mode of the file, and by the check behind
// it.
func everyMethod(t *testing.T) {
	table := methods()
	if len(requests()) != len(table) {
		t.Fatalf("%d methods, %d requests", len(table), len(requests()))
	}
	agent := &fake{}
	server := start(t, agent, nil)
	for _, user := range accounts() {
		conn, err := dialAs(server.Path(), user.account)
		if (err == nil) != user.mode || err != nil && !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: connecting: %v", user.name, err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
	if err := os.Chmod(server.Path(), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, user := range accounts() {
		for _, row := range table {
			t.Log(user.name, row.name)
			func() {
				conn, err := dialAs(server.Path(), user.account)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				r := wrap(t, conn)
				before := agent.count()
				r.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`+"\n", row.name, requests()[row.name]))
				may := user.role == RoleAdmin || user.role == RoleMember && slices.Contains(forMembers, row.name)
				if may {
					waitFor(t, "the agent was asked", func() bool { return agent.count() > before })
					call, peer := agent.last()
					if peer.UID != uint32(user.uid) || peer.GID != uint32(user.gid) || peer.Role != user.role || peer.PID != int32(os.Getpid()) ||
						user.uid != os.Geteuid() && len(peer.Groups) != len(user.groups) {
						t.Errorf("%s was asked by %+v", call, peer)
					}
					if row.stream {
						return
					}
				}
				if a := r.next(); (a.Error.Code != CodeDenied) != may {
					t.Errorf("may: %t, answer: %+v", may, a.Error)
				} else if !may && (agent.count() != before || a.Error.Hint == "") {
					t.Errorf("the agent was asked, or the refusal has no hint: %+v", a.Error)
				}
			}()
		}
	}
}

// A member may block, but not what the whitelist holds.
func TestForceIsForAdministrators(t *testing.T) {
	p := BlockParams{IP: network(t, "203.0.113.7"), Force: true}
	if err := p.check(Peer{UID: 4100, Role: RoleMember}); err == nil || err.Code != CodeDenied {
		t.Error(err)
	}
	if err := p.check(Peer{Role: RoleAdmin}); err != nil {
		t.Error(err)
	}
}

func TestAccess(t *testing.T) {
	a := access{owner: 900, member: 10, admin: 20, memberOK: true, adminOK: true}
	none := access{owner: 900}
	for _, test := range []struct {
		a    access
		p    Peer
		want Role
	}{
		{a, Peer{UID: 0}, RoleAdmin}, {a, Peer{UID: 900, GID: 900}, RoleAdmin},
		{a, Peer{UID: 1, GID: 20}, RoleAdmin}, {a, Peer{UID: 1, GID: 1, Groups: []uint32{5, 20}}, RoleAdmin},
		{a, Peer{UID: 1, GID: 10}, RoleMember}, {a, Peer{UID: 1, GID: 1, Groups: []uint32{10}}, RoleMember},
		{a, Peer{UID: 1, GID: 1}, RoleNone}, {a, Peer{UID: 10, GID: 1}, RoleNone},
		// Without the groups, their number 0 must not mean root's group.
		{none, Peer{UID: 1, GID: 0, Groups: []uint32{0}}, RoleNone}, {none, Peer{UID: 0}, RoleAdmin},
	} {
		if got := test.a.role(test.p); got != test.want {
			t.Errorf("%+v is %s, not %s", test.p, got, test.want)
		}
	}
}
