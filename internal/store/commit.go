package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// maxShapes bounds the shapes taken from one commit and kept of one source.
const maxShapes = 64

// Commit stores r in one transaction: all of it or, with an error, nothing.
// ctx bounds the wait for other writers of this process; a commit that has
// begun is finished. Errors of which Retryable is true leave r to be committed
// again.
//
// On a full disk the ballast file is given up and the commit tried once more.
func (s *Store) Commit(ctx context.Context, r Results) error {
	if r.Empty() && !r.Durable {
		return nil
	}
	err := s.transact(ctx, r.Durable, func(tx *writer) error { return tx.results(&r) })
	if err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

// writer is a transaction that is under way.
type writer struct{ s *Store }

// transact runs work in a transaction on the writer's connection.
func (s *Store) transact(ctx context.Context, durable bool, work func(*writer) error) error {
	if err := s.acquire(ctx); err != nil {
		return err
	}
	defer s.release()
	err := s.try(durable, work)
	if errors.Is(err, ErrFull) && s.dropBallast() {
		err = s.try(durable, work)
	}
	return err
}

// try is one attempt of transact.
func (s *Store) try(durable bool, work func(*writer) error) (err error) {
	if err := s.mend(); err != nil {
		return err
	}
	defer func() {
		if errors.Is(err, ErrIO) {
			s.suspect.Store(true)
		}
	}()
	tx := &writer{s}
	if durable {
		if err := s.synchronous("FULL"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.synchronous("NORMAL")) }()
	}
	if err := tx.exec(stmtBegin); err != nil {
		return err
	}
	if err = work(tx); err == nil {
		err = tx.exec(stmtCommit)
	}
	if err != nil {
		_ = tx.exec(stmtRollback) // fails if SQLite has rolled back already
	}
	return err
}

// synchronous sets how commits wait for the disk. The pragma takes effect when
// it is compiled, so that preparing it once would do nothing later.
func (s *Store) synchronous(level string) error {
	_, err := s.conn.ExecContext(context.Background(), "PRAGMA synchronous = "+level)
	return classify(err)
}

// exec runs a prepared statement. It is not bound to a caller's context: a
// transaction is short, and watching a context costs more than most statements.
func (tx *writer) exec(stmt int, args ...any) error {
	_, err := tx.s.stmts[stmt].ExecContext(context.Background(), args...)
	return classify(err)
}

func (tx *writer) results(r *Results) error {
	last := make(map[string]int, len(r.Threats))
	for i := range r.Threats {
		last[r.Threats[i].ID] = i
	}
	for i := range r.Threats {
		if last[r.Threats[i].ID] != i {
			continue // a later state follows
		}
		if err := tx.threat(&r.Threats[i]); err != nil {
			return fmt.Errorf("storing threat %s: %w", r.Threats[i].ID, err)
		}
	}
	if err := tx.actions(r); err != nil {
		return err
	}
	for i := range r.Allow {
		if err := tx.allow(&r.Allow[i]); err != nil {
			return fmt.Errorf("storing allow entry %s: %w", r.Allow[i].Prefix, err)
		}
	}
	for _, p := range r.Disallow {
		if err := tx.disallow(p); err != nil {
			return fmt.Errorf("removing allow entry %s: %w", p, err)
		}
	}
	if err := errors.Join(tx.names(r), tx.places(r), tx.logins(r)); err != nil {
		return err
	}
	for i := range r.Regulars {
		if err := tx.regular(&r.Regulars[i]); err != nil {
			return fmt.Errorf("storing the reputation of %s: %w", r.Regulars[i].Network, err)
		}
	}
	if err := tx.baselines(r); err != nil {
		return err
	}
	if err := tx.progress(r); err != nil || r.Journal == nil {
		return err
	}
	return tx.journal(r.Journal, r.Threats)
}

func (tx *writer) threat(t *sentinel.Threat) error {
	var old struct {
		events                 int
		severity, kind, status string
		lo, hi                 []byte
	}
	row := tx.s.stmts[stmtThreatCount].QueryRowContext(context.Background(), t.ID)
	known := row.Scan(&old.events, &old.severity, &old.kind, &old.status, &old.lo, &old.hi) == nil
	scope := t.Scope
	if !scope.IsValid() {
		scope = sentinel.Entity(t.AttackerIP)
	}
	lo, hi := bounds(scope)
	status := t.Status
	if status == "" {
		status = sentinel.StatusOpen
	}
	var anomaly any
	if t.AnomalyScore != nil {
		anomaly = *t.AnomalyScore
	}
	severity, source := t.Severity.String(), string(t.SourceType)
	ip, scopeText, samples := null(addrText(t.AttackerIP)), null(prefixText(t.Scope)), null(strings.Join(t.Samples, "\n"))
	evidence, parts, mitre := evidenceJSON(t.Evidence), toJSON(t.Score), null(strings.Join(t.MITRE, " "))
	var err error
	if known && old.severity == severity && old.kind == t.Type && old.status == string(status) && bytes.Equal(old.lo, lo) &&
		bytes.Equal(old.hi, hi) {
		err = tx.exec(stmtThreatAgain, mustStamp(t.LastSeen), t.Source, source, t.Group, ip, scopeText, null(t.AttackerGeo),
			null(t.Key), null(t.User), t.Description, samples, t.RiskScore, t.Decision, null(t.RuleID), anomaly,
			null(t.LLMExplanation), stamp(t.ResolvedAt), null(t.ResolvedBy), t.EventCount, evidence, parts, mitre,
			t.Action, t.ActionReason, null(t.Previous), null(string(t.Outcome)), null(t.OutcomeWhy), null(t.AttackerNetwork), t.ID)
	} else {
		err = tx.exec(stmtThreat, t.ID, mustStamp(t.CreatedAt), mustStamp(t.LastSeen), t.Source, source,
			severity, t.Type, t.Group, ip, scopeText, null(t.AttackerGeo), null(t.Key), null(t.User), t.Description, samples,
			t.RiskScore, t.Decision, null(t.RuleID), anomaly, null(t.LLMExplanation),
			string(status), stamp(t.ResolvedAt), null(t.ResolvedBy), t.EventCount, evidence,
			parts, mitre, t.Action, t.ActionReason, null(t.Previous), null(string(t.Outcome)), null(t.OutcomeWhy), null(t.AttackerNetwork),
			anyKey(lo), anyKey(hi), reversed(t.ID))
	}
	if err != nil || !t.AttackerIP.IsValid() {
		return err
	}
	fresh := 1
	if known {
		fresh = 0
	}
	entity := sentinel.Entity(t.AttackerIP)
	return tx.exec(stmtReputation, entityText(entity), addrKey(entity.Addr()), mustStamp(t.CreatedAt),
		mustStamp(t.LastSeen), max(t.EventCount-old.events, 0), fresh, null(t.AttackerGeo))
}

// entityText is the key of the reputation: an IPv4 address, or the /64 of an
// IPv6 one.
func entityText(p netip.Prefix) string {
	if text := single(p); text != "" {
		return text
	}
	return prefixText(p)
}

// actions stores the audit trail, then blocks and unblocks in their order.
func (tx *writer) actions(r *Results) error {
	backends := map[string]string{}
	if len(r.Actions) > 0 {
		for i := range r.Blocks {
			backends[r.Blocks[i].ID] = ""
		}
	}
	for i := range r.Actions {
		a := &r.Actions[i]
		if _, ok := backends[a.ID]; ok {
			backends[a.ID] = a.Backend
			continue
		}
		if err := tx.action(a); err != nil {
			return fmt.Errorf("storing action %s: %w", a.ID, err)
		}
	}
	next := 0
	ends := func(upTo int) error {
		for ; next < len(r.Unblocked) && r.Unblocked[next].AfterBlocks <= upTo; next++ {
			if err := tx.unblock(&r.Unblocked[next]); err != nil {
				return fmt.Errorf("ending block of %s: %w", r.Unblocked[next].Prefix, err)
			}
		}
		return nil
	}
	for i := range r.Blocks {
		if err := ends(i); err != nil {
			return err
		}
		if err := tx.block(&r.Blocks[i], backends[r.Blocks[i].ID]); err != nil {
			return fmt.Errorf("storing block %s: %w", r.Blocks[i].ID, err)
		}
	}
	return ends(max(len(r.Blocks), next, maxAfter(r.Unblocked)))
}

// maxAfter is the greatest AfterBlocks, so that none is left out.
func maxAfter(us []Unblock) int {
	most := 0
	for i := range us {
		most = max(most, us[i].AfterBlocks)
	}
	return most
}

func (tx *writer) action(a *sentinel.Action) error {
	text := prefixText(a.Target)
	if (a.Type == sentinel.ActionBlock || a.Type == sentinel.ActionRateLimit) && a.Status == StatusActive {
		if err := tx.exec(stmtRetire, "block "+a.ID, mustStamp(a.Created), text, a.ID); err != nil {
			return err
		}
	}
	lo, hi := bounds(a.Target)
	return tx.exec(stmtAction, a.ID, a.ThreatID, mustStamp(a.Created), a.Type, null(text), seconds(a.Duration),
		stamp(a.Expires), a.Status, null(a.RevokedBy), stamp(a.RevokedAt),
		a.Reason, string(a.Origin), null(a.Actor), null(a.Backend), a.Simulated, a.Score, a.Forced, null(a.Rate.String()), a.Trial, stamp(a.Until),
		null(single(a.Target)), anyKey(lo), anyKey(hi))
}

// seconds rounds up; no duration is NULL.
func seconds(d time.Duration) any {
	if d <= 0 {
		return nil
	}
	return int64((d + time.Second - 1) / time.Second)
}

func (tx *writer) block(b *sentinel.BlockRecord, backend string) error {
	if !b.Prefix.IsValid() {
		return fmt.Errorf("block has no prefix")
	}
	a := sentinel.Action{
		ID: b.ID, ThreatID: b.ThreatID, Created: b.Created, Type: b.ActionType(), Target: b.Prefix.Masked(), Rate: b.Rate, Expires: b.Expires,
		Status: StatusActive, Reason: b.Reason, Origin: b.Origin, Actor: b.Actor, Backend: backend,
		Simulated: b.Simulated, Score: b.Score, Forced: b.Forced, Trial: b.Trial, Until: b.Until,
	}
	if !b.Expires.IsZero() {
		a.Duration = b.Expires.Sub(b.Created)
	}
	if b.Proxied {
		a.Backend = sentinel.BackendProxy
	}
	if err := tx.action(&a); err != nil || b.Simulated || !b.Rate.IsZero() {
		return err
	}
	lo, hi := bounds(a.Target)
	if entity := sentinel.Entity(a.Target.Addr()); entity == a.Target {
		at := mustStamp(b.Created)
		if err := tx.exec(stmtReputationRow, entityText(entity), lo, at, at); err != nil {
			return err
		}
	}
	return tx.exec(stmtBlocked, 1, lo, hi)
}

func (tx *writer) unblock(u *Unblock) error {
	status := u.Status
	if status == "" {
		status = StatusRevoked
	}
	if err := tx.exec(stmtUnblock, status, null(u.By), mustStamp(u.At), prefixText(u.Prefix)); err != nil {
		return err
	}
	lo, hi := bounds(u.Prefix)
	return tx.exec(stmtBlocked, 0, anyKey(lo), anyKey(hi))
}

// progress stores how far the sources were read and what was counted.
func (tx *writer) progress(r *Results) error {
	for i := range r.Counters {
		c := &r.Counters[i]
		err := tx.exec(stmtCounter, c.Minute.Unix()/60, c.Source, c.Events, c.Parsed, c.Unparsed, c.Matched, c.Threats)
		if err != nil {
			return fmt.Errorf("counting %s: %w", c.Source, err)
		}
	}
	for i := range r.Positions {
		p := &r.Positions[i]
		seen, kind := lastOf(r.Counters, p.Source)
		if err := tx.exec(stmtSource, p.Source, p.Path, int64(p.Device), int64(p.Inode), p.Offset,
			int64(p.Fingerprint), p.FingerprintLen, p.Cursor, string(kind), stamp(seen), mustStamp(tx.s.opts.Now())); err != nil {
			return fmt.Errorf("storing position of %s: %w", p.Source, err)
		}
	}
	for i := range r.Counters {
		c := &r.Counters[i]
		if c.LastEvent.IsZero() || hasPosition(r.Positions, c.Source) {
			continue
		}
		if err := tx.exec(stmtSourceSeen, stamp(c.LastEvent), c.Source); err != nil {
			return fmt.Errorf("storing last event of %s: %w", c.Source, err)
		}
	}
	return tx.shapes(r.Shapes)
}

func lastOf(cs Counters, source string) (last time.Time, kind sentinel.SourceType) {
	for i := range cs {
		if cs[i].Source != source {
			continue
		}
		if cs[i].LastEvent.After(last) {
			last = cs[i].LastEvent
		}
		if cs[i].Type != "" {
			kind = cs[i].Type
		}
	}
	return last, kind
}

func hasPosition(ps []sentinel.Position, source string) bool {
	for i := range ps {
		if ps[i].Source == source {
			return true
		}
	}
	return false
}

func (tx *writer) shapes(all []Shape) error {
	trimmed := map[string]bool{}
	for i := range all[:min(len(all), maxShapes)] {
		sh := &all[i]
		if err := tx.exec(stmtShape, sh.Source, sh.Shape, sh.Sample, sh.Count, mustStamp(sh.LastSeen)); err != nil {
			return fmt.Errorf("storing a shape of %s: %w", sh.Source, err)
		}
		trimmed[sh.Source] = true
	}
	for source := range trimmed {
		if err := tx.exec(stmtShapeTrim, source, maxShapes); err != nil {
			return fmt.Errorf("storing shapes of %s: %w", source, err)
		}
	}
	return nil
}

func (tx *writer) allow(e *AllowEntry) error {
	if !e.Prefix.IsValid() {
		return fmt.Errorf("entry has no prefix")
	}
	p := e.Prefix.Masked()
	if err := tx.exec(stmtAllow, p.String(), e.Reason, string(e.Origin), null(e.Actor), mustStamp(e.Created)); err != nil {
		return err
	}
	lo, hi := bounds(p)
	return tx.exec(stmtWhitelisted, 1, lo, hi)
}

func (tx *writer) disallow(p netip.Prefix) error {
	if err := tx.exec(stmtDisallow, prefixText(p)); err != nil {
		return err
	}
	lo, hi := bounds(p)
	return tx.exec(stmtWhitelisted, 0, anyKey(lo), anyKey(hi))
}
