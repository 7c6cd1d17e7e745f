package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// method is one row of the table of what can be asked.
type method struct {
	name string
	// role is the lowest that may ask.
	role Role
	// call serves a request with raw parameters; send is not nil for streams.
	call   func(ctx context.Context, a Agent, peer Peer, params json.RawMessage, send func(LogEvent) error) (any, error)
	stream bool
}

// methods returns the table.
func methods() []method {
	return []method{
		bare(MethodStatus, RoleMember, Agent.Status),
		bare(MethodReload, RoleAdmin, Agent.Reload),
		bare(MethodMetrics, RoleMember, Agent.Metrics),
		full(MethodThreats, RoleMember, Agent.Threats),
		full(MethodThreat, RoleMember, Agent.Threat),
		full(MethodExplain, RoleMember, Agent.Explain),
		full(MethodWhyNot, RoleMember, Agent.WhyNot),
		full(MethodThreatStatus, RoleMember, Agent.SetThreatStatus),
		tail(MethodTail, RoleMember),
		bare(MethodSources, RoleMember, Agent.Sources),
		bare(MethodDiscover, RoleMember, Agent.Discover),
		full(MethodUnparsed, RoleMember, Agent.Unparsed),
		full(MethodBlock, RoleMember, Agent.Block),
		full(MethodUnblock, RoleMember, Agent.Unblock),
		full(MethodConfirm, RoleMember, Agent.Confirm),
		full(MethodBlocks, RoleMember, Agent.Blocks),
		full(MethodConfig, RoleMember, Agent.Config),
		full(MethodConfigSet, RoleAdmin, Agent.SetConfig),
		full(MethodConfigUnset, RoleAdmin, Agent.UnsetConfig),
		full(MethodAllow, RoleAdmin, Agent.Allow),
		full(MethodDisallow, RoleAdmin, Agent.Disallow),
		bare(MethodAllowed, RoleMember, Agent.Allowed),
		bare(MethodSuggest, RoleMember, Agent.Suggest),
		full(MethodAddress, RoleMember, Agent.Address),
		full(MethodBaselines, RoleMember, Agent.Baselines),
		full(MethodForget, RoleAdmin, Agent.Forget),
		full(MethodGeo, RoleMember, Agent.Geo),
		full(MethodRules, RoleMember, Agent.Rules),
		full(MethodRule, RoleMember, Agent.Rule),
	}
}

// checked are parameters that know their bounds.
type checked[P any] interface {
	*P
	// check returns what is wrong with parameters that peer sent.
	check(peer Peer) *Error
}

// full makes the row of a method with parameters.
func full[P, R any, C checked[P]](name string, role Role, f func(Agent, context.Context, Peer, P) (*R, error)) method {
	call := func(ctx context.Context, a Agent, peer Peer, raw json.RawMessage, _ func(LogEvent) error) (any, error) {
		var p P
		if err := decode(name, raw, &p); err != nil {
			return nil, err
		}
		if err := C(&p).check(peer); err != nil {
			return nil, err
		}
		return f(a, ctx, peer, p)
	}
	return method{name: name, role: role, call: call}
}

// bare makes the row of a method without parameters.
func bare[R any](name string, role Role, f func(Agent, context.Context, Peer) (*R, error)) method {
	call := func(ctx context.Context, a Agent, peer Peer, raw json.RawMessage, _ func(LogEvent) error) (any, error) {
		if err := decode(name, raw, &struct{}{}); err != nil {
			return nil, err
		}
		return f(a, ctx, peer)
	}
	return method{name: name, role: role, call: call}
}

// tail makes the row of the stream of events.
func tail(name string, role Role) method {
	call := func(ctx context.Context, a Agent, peer Peer, raw json.RawMessage, send func(LogEvent) error) (any, error) {
		var p TailParams
		if err := decode(name, raw, &p); err != nil {
			return nil, err
		}
		if err := p.check(peer); err != nil {
			return nil, err
		}
		return struct{}{}, a.Tail(ctx, peer, p, send)
	}
	return method{name: name, role: role, call: call, stream: true}
}

// decode reads parameters strictly; none are the same as {}.
func decode(name string, raw json.RawMessage, into any) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil
	}
	hint := name + " takes no parameters"
	if known := parameters(into); len(known) > 0 {
		hint = name + " takes " + strings.Join(known, ", ")
	}
	if raw[0] != '{' {
		return Errorf(CodeInvalidParams, "parameters are an object with names").WithHint("%s", hint)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong):
		return Errorf(CodeInvalidParams, "parameter %s: %s is not %s", wrong.Field, wrong.Value, kindName(wrong.Type)).WithHint("%s", hint)
	}
	text := err.Error()
	if field, ok := strings.CutPrefix(text, "json: unknown field "); ok {
		text = "there is no parameter " + cut(field, 60)
	}
	return Errorf(CodeInvalidParams, "%s", cut(text, 300)).WithHint("%s", hint)
}

// parameters returns the names in the JSON of a struct.
func parameters(of any) []string {
	var names []string
	t := reflect.TypeOf(of).Elem()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

func kindName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64, reflect.Float64, reflect.Uint8:
		return "a number"
	case reflect.Struct:
		return "a text"
	}
	return "a text"
}

func cut(text string, length int) string {
	if len(text) <= length {
		return text
	}
	return strings.ToValidUTF8(text[:length], "") + "…"
}

func invalid(field, format string, args ...any) *Error {
	return Errorf(CodeInvalidParams, "%s: %s", field, fmt.Sprintf(format, args...))
}

func checkText(field, text string, longest int) *Error {
	if len(text) > longest {
		return invalid(field, "longer than %d bytes", longest)
	}
	return nil
}

func checkID(field, id, example string) *Error {
	if id == "" {
		return invalid(field, "needed").WithHint("%s", example)
	}
	return checkText(field, id, MaxID)
}

func checkPage(limit int, cursor string) *Error {
	if limit < 0 || limit > MaxPage {
		return invalid("limit", "%d is not between 1 and %d", limit, MaxPage)
	}
	return checkText("cursor", cursor, 256)
}

func checkNetwork(n Network) *Error {
	if n.IsZero() {
		return invalid("ip", "needed").WithHint("an address like 203.0.113.7 or a network like 198.51.100.0/24")
	}
	return nil
}

// first returns the first error there is.
func first(errs ...*Error) *Error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *ThreatsParams) check(Peer) *Error {
	if p.Status != "" {
		if _, err := sentinel.ParseStatus(string(p.Status)); err != nil {
			return invalid("status", "%s", cut(err.Error(), 200))
		}
	}
	if !p.Since.IsZero() && !p.Until.IsZero() && p.Until.Before(p.Since) {
		return invalid("until", "%s is before since, %s", p.Until.Format(time.RFC3339), p.Since.Format(time.RFC3339))
	}
	return first(checkText("type", p.Type, MaxID), checkText("source", p.Source, MaxID), checkPage(p.Limit, p.Cursor))
}

func (p *ThreatParams) check(Peer) *Error {
	return checkID("id", p.ID, "the id of a threat, or its last letters: see threats.list")
}

func (p *ThreatStatusParams) check(peer Peer) *Error {
	if _, err := sentinel.ParseStatus(string(p.Status)); err != nil {
		return invalid("status", "%s", cut(err.Error(), 200))
	}
	return first((&ThreatParams{p.ID}).check(peer), checkText("reason", p.Reason, MaxReason))
}

func (p *TailParams) check(Peer) *Error {
	if p.Type != "" {
		if _, err := sentinel.ParseEventType(p.Type); err != nil {
			return invalid("type", "%s", cut(err.Error(), 300))
		}
	}
	return checkText("source", p.Source, MaxID)
}

func (p *UnparsedParams) check(Peer) *Error {
	return first(checkText("source", p.Source, MaxID), checkPage(p.Limit, ""))
}

func (p *BlockParams) check(peer Peer) *Error {
	switch d := p.Duration.Duration(); {
	case d < 0 || d > MaxDuration:
		return invalid("duration", "not between 0 and %d seconds", int64(MaxDuration/time.Second))
	case d > 0 && d < time.Second:
		return invalid("duration", "shorter than a second")
	case d > 0 && p.Permanent:
		return invalid("duration", "a permanent block has none").WithHint("give duration or permanent, not both")
	case p.Confirm < 0 || p.Confirm.Duration() > MaxConfirm:
		return invalid("confirm", "not between 0 and %d seconds", int64(MaxConfirm/time.Second))
	case p.Force && peer.Role < RoleAdmin:
		return Errorf(CodeDenied, "only root and members of %s may block what the whitelist holds", DefaultAdminGroup)
	}
	return first(checkNetwork(p.IP), checkText("reason", p.Reason, MaxReason))
}

func (p *UnblockParams) check(Peer) *Error {
	return first(checkNetwork(p.IP), checkText("reason", p.Reason, MaxReason))
}

func (p *ConfirmParams) check(Peer) *Error {
	return first(checkNetwork(p.IP), checkText("reason", p.Reason, MaxReason))
}

func (p *BlocksParams) check(Peer) *Error {
	switch p.Origin {
	case "", sentinel.OriginRule, sentinel.OriginCLI, sentinel.OriginBot, sentinel.OriginCloud:
		return checkPage(p.Limit, p.Cursor)
	}
	return invalid("origin", "%q is none of rule, cli, bot, cloud", cut(string(p.Origin), 40))
}

func (p *ConfigParams) check(Peer) *Error { return checkText("key", p.Key, MaxID) }

func (p *ConfigSetParams) check(Peer) *Error {
	return first(checkID("key", p.Key, "a key as config.get has it"), checkText("value", p.Value, maxValue))
}

func (p *ConfigUnsetParams) check(Peer) *Error { return checkText("key", p.Key, MaxID) }

func (p *AllowParams) check(Peer) *Error {
	if p.Name != "" {
		name, err := sentinel.ParseHostName(p.Name)
		if err != nil || !p.IP.IsZero() || !p.Place.IsZero() {
			return invalid("name", "%.60q is not a name alone, such as office.example.net", p.Name)
		}
		p.Name = name
		return checkText("reason", p.Reason, MaxReason)
	}
	if !p.Place.IsZero() {
		if !p.IP.IsZero() {
			return invalid("place", "%s and an address are two things", p.Place)
		}
		return checkText("reason", p.Reason, MaxReason)
	}
	return first(checkNetwork(p.IP), checkText("reason", p.Reason, MaxReason))
}

func (p *RulesParams) check(Peer) *Error { return checkText("type", p.Type, MaxID) }

func (p *RuleParams) check(Peer) *Error {
	return checkID("id", p.ID, "the id of a rule: see rules.list")
}
