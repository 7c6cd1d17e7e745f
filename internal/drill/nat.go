package drill

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// toolTime bounds one run of a tool.
const toolTime = 10 * time.Second

// tool runs a program and returns what it printed; nothing if it is not there.
func tool(ctx context.Context, name string, args ...string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/" + name); err != nil {
			return "", nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, toolTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, args...).Output()
	if err != nil {
		return "", fmt.Errorf("running %s: %w", name, err)
	}
	return string(out), nil
}

// savers print the rules of iptables, of the version that is in use and of the
// older one beside it.
// The older ones fail where the kernel has no support for them.
var savers = [...]struct {
	name       string
	v6, legacy bool
}{{"iptables-save", false, false}, {"ip6tables-save", true, false}, {"iptables-legacy-save", false, true}, {"ip6tables-legacy-save", true, true}}

// publishedPorts finds the rules that redirect what comes in to another host or
// port, as container engines do.
func publishedPorts(ctx context.Context) (out []Port, err error) {
	for _, s := range savers {
		text, e := tool(ctx, s.name, "-t", "nat")
		if !s.legacy {
			err = errors.Join(err, e)
		}
		for line := range strings.Lines(text) {
			if p, ok := parseDNAT(line, s.v6); ok {
				out = append(out, p)
			}
		}
	}
	list, e := nftPublished()
	return append(out, list...), errors.Join(err, e)
}

// parseDNAT reads a rule such as
//
//	-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
func parseDNAT(line string, v6 bool) (Port, bool) {
	f := strings.Fields(line)
	if len(f) < 2 || f[0] != "-A" || f[1] == "OUTPUT" {
		return Port{}, false
	}
	p := Port{Published: true}
	addr := netip.IPv4Unspecified()
	if v6 {
		addr = netip.IPv6Unspecified()
	}
	port, tcp, target := uint64(0), false, ""
	for i := 0; i+1 < len(f); i++ {
		switch value := f[i+1]; f[i] {
		case "-p":
			tcp = value == "tcp"
		case "-j":
			target = value
		case "--dport":
			port, _ = strconv.ParseUint(value, 10, 16) // a range is left out
		case "-d":
			if n, err := netip.ParsePrefix(value); err == nil && n.IsSingleIP() && f[i-1] != "!" {
				addr = n.Addr()
			}
		case "--to-destination", "--to-ports":
			p.To = value
		}
	}
	if !tcp || port == 0 || target != "DNAT" && target != "REDIRECT" {
		return Port{}, false
	}
	p.Addr = netip.AddrPortFrom(addr, uint16(port))
	return p, true
}

// nftPublished finds rules of nftables that redirect a constant TCP port.
func nftPublished() (out []Port, err error) {
	c, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("asking nftables: %w", err)
	}
	chains, err := c.ListChains()
	if err != nil {
		return nil, fmt.Errorf("asking nftables for its chains: %w", err)
	}
	for _, ch := range chains {
		if ch.Table.Family != nftables.TableFamilyIPv4 && ch.Table.Family != nftables.TableFamilyIPv6 && ch.Table.Family != nftables.TableFamilyINet {
			continue
		}
		rules, err := c.GetRules(ch.Table, ch)
		if err != nil {
			continue // it is gone meanwhile, or has what this library does not know
		}
		for _, r := range rules {
			if port := redirected(r.Exprs); port != 0 {
				addr := netip.IPv4Unspecified()
				if ch.Table.Family == nftables.TableFamilyIPv6 {
					addr = netip.IPv6Unspecified()
				}
				out = append(out, Port{Addr: netip.AddrPortFrom(addr, port), Published: true, To: "table " + ch.Table.Name})
			}
		}
	}
	return out, nil
}

// redirected returns the port that a rule compares with and redirects, or 0.
func redirected(exprs []expr.Any) (port uint16) {
	redirects, register := false, uint32(0)
	for _, e := range exprs {
		switch x := e.(type) {
		case *expr.Payload:
			register = 0
			if x.Base == expr.PayloadBaseTransportHeader && x.Offset == 2 && x.Len == 2 {
				register = x.DestRegister
			}
		case *expr.Cmp:
			if register != 0 && x.Register == register && x.Op == expr.CmpOpEq && len(x.Data) == 2 {
				port = binary.BigEndian.Uint16(x.Data)
			}
		case *expr.NAT:
			redirects = redirects || x.Type == expr.NATTypeDestNAT
		case *expr.Redir:
			redirects = true
		}
	}
	if !redirects {
		return 0
	}
	return port
}

// lines returns the rules of one chain as iptables-save prints them.
func chainLines(save, chain string) (out []string) {
	for line := range strings.Lines(save) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "-A "+chain+" ") && !slices.Contains(out, line) {
			out = append(out, line)
		}
	}
	return out
}
