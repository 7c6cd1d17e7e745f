package agent

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/store"
)

// api is the agent as the control socket sees it.
type api Agent

var _ control.Agent = (*api)(nil)

func (p *api) agent() *Agent { return (*Agent)(p) }

var errStopping = control.Errorf(control.CodeUnavailable, "the agent is stopping")

// defaultPage is the length of a page if none is asked for.
const defaultPage = 20

// Threats implements control.Agent.
func (p *api) Threats(ctx context.Context, _ control.Peer, q control.ThreatsParams) (*control.ThreatsResult, error) {
	f := store.ThreatFilter{
		Since: q.Since, Until: q.Until, Type: q.Type, Source: q.Source, Status: q.Status,
		Network: q.IP.Prefix, Limit: q.Limit,
	}
	if f.Limit == 0 {
		f.Limit = defaultPage
	}
	if q.MinSeverity != nil {
		f.MinSeverity = *q.MinSeverity
	}
	f.Severity = q.Severity
	offset, err := cursor(q.Cursor)
	if err != nil {
		return nil, err
	}
	f.Offset = offset
	list, total, err := p.store.Threats(ctx, f)
	if err != nil {
		return nil, err
	}
	short, err := p.shortIDs(ctx, list)
	if err != nil {
		return nil, err
	}
	out := &control.ThreatsResult{Threats: make([]control.ThreatRow, 0, len(list)), Total: total, Next: next(offset, len(list), total)}
	for _, t := range list {
		out.Threats = append(out.Threats, control.ThreatRow{ShortID: short[t.ID], Threat: t})
	}
	return out, nil
}

// cursor reads what next wrote: how many rows came before.
func cursor(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, control.Errorf(control.CodeInvalidParams, "%.40q is no cursor", text).WithHint("give the \"next\" of the page before")
	}
	return n, nil
}

func next(offset, n, total int) string {
	if n == 0 || offset+n >= total {
		return ""
	}
	return strconv.Itoa(offset + n)
}

func (p *api) shortIDs(ctx context.Context, list []sentinel.Threat) (map[string]string, error) {
	ids := make([]string, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	return p.store.ShortIDs(ctx, ids)
}

// threat finds a threat by any part of its id, in its newest state.
func (p *api) threat(ctx context.Context, id string) (control.ThreatRow, error) {
	t, err := p.store.Threat(ctx, id)
	var ambiguous *store.AmbiguousError
	switch {
	case errors.Is(err, store.ErrNotFound):
		return control.ThreatRow{}, control.Errorf(control.CodeNotFound, "there is no threat %.60q", id).
			WithHint("sentinelctl threats lists them with their ids")
	case errors.As(err, &ambiguous):
		e := control.Errorf(control.CodeAmbiguous, "%.60q is the id of several threats", id)
		e.Candidates = ambiguous.Candidates
		return control.ThreatRow{}, e
	case err != nil:
		return control.ThreatRow{}, err
	}
	// The engine may know a newer count than the store.
	_ = p.agent().do(ctx, func() {
		if live, ok := p.engine.Decider().Case(t.ID); ok {
			t = live
		}
	})
	short, err := p.store.ShortIDs(ctx, []string{t.ID})
	if err != nil {
		return control.ThreatRow{}, err
	}
	return control.ThreatRow{ShortID: short[t.ID], Threat: t}, nil
}

// Threat implements control.Agent.
func (p *api) Threat(ctx context.Context, _ control.Peer, q control.ThreatParams) (*control.ThreatResult, error) {
	row, err := p.threat(ctx, q.ID)
	if err != nil {
		return nil, err
	}
	return p.whole(ctx, row)
}

func (p *api) whole(ctx context.Context, row control.ThreatRow) (*control.ThreatResult, error) {
	actions, _, err := p.store.Actions(ctx, store.ActionFilter{ThreatID: row.ID, Limit: 100})
	if err != nil {
		return nil, err
	}
	out := &control.ThreatResult{ThreatRow: row, Actions: actions}
	if !row.Scope.IsValid() {
		return out, nil
	}
	err = p.agent().do(ctx, func() {
		if b, ok := p.engine.Decider().Blocked(row.Scope.Addr()); ok {
			out.Blocks = append(out.Blocks, b.Record())
		}
	})
	return out, err
}

// Explain implements control.Agent.
func (p *api) Explain(ctx context.Context, _ control.Peer, q control.ThreatParams) (*control.Explanation, error) {
	row, err := p.threat(ctx, q.ID)
	if err != nil {
		return nil, err
	}
	return Explanation(row.Threat, row.ShortID), nil
}

// Explanation turns a threat into the words of the socket's contract.
func Explanation(t sentinel.Threat, shortID string) *control.Explanation {
	x := decide.Explain(t)
	out := &control.Explanation{
		ID: t.ID, ShortID: shortID, Headline: x.Headline, What: x.What, Score: x.Score,
		Action: x.Action, Next: x.Next, Undo: x.Undo, Attack: x.MITRE,
	}
	for _, e := range x.Evidence {
		out.Evidence = append(out.Evidence, e.Evidence)
	}
	return out
}

// SetThreatStatus implements control.Agent.
func (p *api) SetThreatStatus(ctx context.Context, peer control.Peer, q control.ThreatStatusParams) (*control.ThreatResult, error) {
	row, err := p.threat(ctx, q.ID)
	if err != nil {
		return nil, err
	}
	fx, err := p.order(ctx, sentinel.Order{
		Kind: sentinel.OrderStatus, ThreatID: row.ID, Status: q.Status, Reason: q.Reason,
		Origin: sentinel.OriginCLI, Actor: peer.String(),
	})
	if err != nil {
		return nil, err
	}
	for _, s := range fx.Statuses {
		if s.ThreatID == row.ID {
			row.Status, row.ResolvedBy, row.ResolvedAt = s.Status, s.By, s.At
		}
	}
	go p.agent().reviseRules(context.WithoutCancel(ctx))
	return p.whole(ctx, row)
}

// order gives an order to the engine and returns when it is stored durably and
// the firewall has been told.
func (p *api) order(ctx context.Context, o sentinel.Order) (fx decide.Effects, err error) {
	a := p.agent()
	var stored error
	doErr := a.do(ctx, func() {
		now := time.Now()
		fx, err = a.engine.Decider().Order(now, o)
		a.pending.add(fx, now)
		for _, s := range fx.Statuses {
			a.pending.setStatus(ctx, a.store, s)
		}
		a.pending.results.Durable = true
		stored = a.flush()
	})
	if doErr != nil {
		return fx, doErr
	}
	var refusal *decide.Refusal
	if errors.As(err, &refusal) {
		return fx, control.Errorf(control.CodeRefused, "%s", refusal.What).WithHint("%s", refusal.Hint)
	}
	if err == nil && stored != nil {
		a.log.Error("an order took effect but could not be stored", "order", o.Kind.String(), "error", stored)
	}
	return fx, err
}

// Block implements control.Agent.
func (p *api) Block(ctx context.Context, peer control.Peer, q control.BlockParams) (*control.BlockResult, error) {
	_, was := p.blocked(ctx, q.IP)
	fx, err := p.order(ctx, sentinel.Order{
		Kind: sentinel.OrderBlock, Prefix: q.IP.Prefix, Duration: q.Duration.Duration(), Permanent: q.Permanent,
		Confirm: q.Confirm.Duration(),
		Force:   q.Force, Reason: q.Reason, Origin: sentinel.OriginCLI, Actor: peer.String(),
	})
	if err != nil {
		return nil, err
	}
	out := &control.BlockResult{New: !was}
	if len(fx.Blocks) > 0 {
		out.Block = fx.Blocks[0].Record()
	} else if now, ok := p.blocked(ctx, q.IP); ok {
		out.Block, out.Note = now, "it was blocked for at least as long already"
	}
	p.applied(ctx, out)
	return out, nil
}

// applied fills in whether the firewall has a block.
func (p *api) applied(ctx context.Context, out *control.BlockResult) {
	switch {
	case out.Block.Simulated:
		out.Note = "mode is observe: nothing is dropped"
	case p.agent().await(ctx):
		out.Applied = true
	default:
		st := p.enforcer.Status()
		out.Note = "stored, but the firewall does not take it yet: " + st.LastError
	}
}

// Confirm implements control.Agent.
func (p *api) Confirm(ctx context.Context, peer control.Peer, q control.ConfirmParams) (*control.BlockResult, error) {
	fx, err := p.order(ctx, sentinel.Order{
		Kind: sentinel.OrderConfirm, Prefix: q.IP.Prefix, Reason: q.Reason, Origin: sentinel.OriginCLI, Actor: peer.String(),
	})
	if err != nil {
		return nil, err
	}
	out := &control.BlockResult{Block: fx.Blocks[0].Record()}
	p.applied(ctx, out)
	return out, nil
}

// blocked returns the block that holds exactly what n stands for.
func (p *api) blocked(ctx context.Context, n control.Network) (rec sentinel.BlockRecord, ok bool) {
	want := n.Entity()
	_ = p.agent().do(ctx, func() {
		var b sentinel.Block
		if b, ok = p.engine.Decider().Blocked(want.Addr()); ok {
			rec, ok = b.Record(), b.Prefix() == want
		}
	})
	return rec, ok
}

// await waits until the firewall holds what was decided, for a moment only.
func (a *Agent) await(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return a.enforcer.Settled(ctx, a.desired.Version())
}

// Unblock implements control.Agent.
func (p *api) Unblock(ctx context.Context, peer control.Peer, q control.UnblockParams) (*control.UnblockResult, error) {
	var before []sentinel.BlockRecord
	if err := p.agent().do(ctx, func() { before = records(p.engine.Decider().Blocks()) }); err != nil {
		return nil, err
	}
	fx, err := p.order(ctx, sentinel.Order{
		Kind: sentinel.OrderUnblock, Prefix: q.IP.Prefix, Reason: q.Reason, Origin: sentinel.OriginCLI, Actor: peer.String(),
	})
	if err != nil {
		return nil, err
	}
	out := &control.UnblockResult{Unblocked: lifted(before, fx.Unblocked)}
	if !p.agent().await(ctx) {
		out.Note = "stored, but the firewall has not followed yet: " + p.enforcer.Status().LastError
	}
	return out, nil
}

func records(blocks []sentinel.Block) []sentinel.BlockRecord {
	out := make([]sentinel.BlockRecord, len(blocks))
	for i, b := range blocks {
		out[i] = b.Record()
	}
	return out
}

// lifted are those of the blocks whose networks are free now.
func lifted(before []sentinel.BlockRecord, free []netip.Prefix) []sentinel.BlockRecord {
	out := []sentinel.BlockRecord{}
	for _, b := range before {
		if slices.Contains(free, b.Prefix) {
			out = append(out, b)
		}
	}
	return out
}

// defaultBlocks is the length of a page of blocks if none is asked for.
const defaultBlocks = 1000

// Blocks implements control.Agent.
func (p *api) Blocks(ctx context.Context, _ control.Peer, q control.BlocksParams) (*control.BlocksResult, error) {
	offset, err := cursor(q.Cursor)
	if err != nil {
		return nil, err
	}
	var all []sentinel.BlockRecord
	if err := p.agent().do(ctx, func() { all = records(p.engine.Decider().Blocks()) }); err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(b sentinel.BlockRecord) bool {
		return (!q.IP.IsZero() && !b.Prefix.Overlaps(q.IP.Prefix)) || (q.Origin != "" && b.Origin != q.Origin)
	})
	slices.SortStableFunc(all, func(x, y sentinel.BlockRecord) int { return y.Created.Compare(x.Created) })
	limit := q.Limit
	if limit == 0 {
		limit = defaultBlocks
	}
	page := all[min(offset, len(all)):min(offset+limit, len(all))]
	return &control.BlocksResult{Blocks: page, Total: len(all), Next: next(offset, len(page), len(all))}, nil
}

// Allow implements control.Agent.
func (p *api) Allow(ctx context.Context, peer control.Peer, q control.AllowParams) (*control.AllowResult, error) {
	return p.changeAllow(ctx, peer, q, sentinel.OrderAllow)
}

// Disallow implements control.Agent.
func (p *api) Disallow(ctx context.Context, peer control.Peer, q control.AllowParams) (*control.AllowResult, error) {
	return p.changeAllow(ctx, peer, q, sentinel.OrderDisallow)
}

func (p *api) changeAllow(ctx context.Context, peer control.Peer, q control.AllowParams, kind sentinel.OrderKind) (*control.AllowResult, error) {
	if q.Name != "" {
		return p.changeName(ctx, peer, q, kind)
	}
	if !q.Place.IsZero() {
		return p.changePlace(ctx, peer, q, kind)
	}
	var before []sentinel.BlockRecord
	if err := p.agent().do(ctx, func() { before = records(p.engine.Decider().Blocks()) }); err != nil {
		return nil, err
	}
	fx, err := p.order(ctx, sentinel.Order{
		Kind: kind, Prefix: q.IP.Prefix, Reason: q.Reason, Origin: sentinel.OriginCLI, Actor: peer.String(),
	})
	if err != nil {
		return nil, err
	}
	out := &control.AllowResult{
		Entry:     control.AllowEntry{Prefix: q.IP, Kind: string(decide.KindUser), Reason: q.Reason, Actor: peer.String(), Removable: true},
		Changed:   len(fx.Allowed) > 0 || len(fx.Disallowed) > 0,
		Unblocked: lifted(before, fx.Unblocked),
	}
	for _, al := range fx.Allowed {
		out.Entry.Prefix, out.Entry.Added = control.Network{Prefix: al.Prefix}, time.Now()
	}
	if !p.agent().await(ctx) {
		out.Note = "stored, but the firewall has not followed yet: " + p.enforcer.Status().LastError
	}
	return out, nil
}

// Allowed implements control.Agent.
func (p *api) Allowed(ctx context.Context, _ control.Peer) (*control.AllowListResult, error) {
	stored, err := p.store.Allow(ctx)
	if err != nil {
		return nil, err
	}
	names, err := p.store.AllowNames(ctx)
	if err != nil {
		return nil, err
	}
	places, err := p.store.AllowPlaces(ctx)
	if err != nil {
		return nil, err
	}
	var list []decide.Protection
	if err := p.agent().do(ctx, func() { list = p.engine.Decider().Allowlist().Entries() }); err != nil {
		return nil, err
	}
	out := &control.AllowListResult{Entries: make([]control.AllowEntry, 0, len(list)), Names: p.namesList(names)}
	for _, pr := range list {
		e := control.AllowEntry{Prefix: control.Network{Prefix: pr.Prefix}, Place: pr.Place, Kind: string(pr.Kind), Reason: pr.Reason}
		for _, s := range stored {
			if s.Prefix == pr.Prefix && pr.Kind == decide.KindUser {
				e.Actor, e.Added, e.Removable = s.Actor, s.Created, true
			}
		}
		for _, s := range places {
			if s.Place == pr.Place && pr.Kind == decide.KindUser {
				e.Actor, e.Added, e.Removable = s.Actor, s.Created, true
			}
		}
		out.Entries = append(out.Entries, e)
	}
	return out, nil
}
