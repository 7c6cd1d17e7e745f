package agent

import (
	"context"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/profile"
	"github.com/sentinel-ai/sentinel-ai/internal/store"
)

// The applications that were recognised are stored with the results, whenever
// one more address or application is known, and once an hour.

const (
	kindProfiles  = "profiles"
	nameProfiles  = "*profiles"
	profilesEvery = time.Hour
)

// startProfiles lets applications be recognised, as configured. What was stored
// and cannot be read is told, and recognised anew.
func (a *Agent) startProfiles(ctx context.Context) {
	pins := pinsOf(a.config().Detection.Profiles)
	if set := a.engine.Profiles(); set != nil {
		set.Configure(pins)
		return
	}
	set := profile.New(pins)
	states, err := a.store.AnomalyStates(ctx, kindProfiles)
	for _, st := range states {
		if err == nil {
			err = set.Load(st.Data)
		}
	}
	if err != nil {
		a.alarm("profiles", "the applications that were recognised in logs are not known and are recognised anew: "+err.Error())
		set = profile.New(pins)
	}
	a.engine.WatchProfiles(set)
}

func pinsOf(cfg config.Profiles) (pins profile.Pins) {
	for i, p := range cfg {
		switch p {
		case config.ProfileOn:
			pins[i] = profile.On
		case config.ProfileOff:
			pins[i] = profile.Off
		}
	}
	return pins
}

// keepProfiles puts what was recognised into the next commit.
func (a *Agent) keepProfiles(now time.Time, end bool) {
	set := a.engine.Profiles()
	if set == nil || !set.Changed() && !end && now.Sub(a.profiled) < profilesEvery {
		return
	}
	a.profiled = now
	r := &a.pending.results
	r.AnomalyStates = replaceState(r.AnomalyStates, store.AnomalyState{Name: nameProfiles, Kind: kindProfiles, Data: set.Save()})
}

// profileStatus is called in the engine's goroutine.
func (a *Agent) profileStatus() []control.ProfileStatus {
	out := []control.ProfileStatus{}
	if set := a.engine.Profiles(); set != nil {
		for _, st := range set.Status() {
			out = append(out, control.ProfileStatus{
				Source: st.Source, Name: st.App.String(), Title: st.App.Title(), On: st.On, Pinned: st.Pinned,
				Since: st.Since, Last: st.Last, Addresses: st.Addrs, Excepted: st.Excepted,
			})
		}
	}
	return out
}
