package store

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

func TestPlaces(t *testing.T) {
	s := open(t, Options{})
	ctx := t.Context()
	at := time.Date(2026, 2, 9, 14, 0, 0, 0, time.UTC)
	network := AllowPlace{Place: sentinel.Place{ASN: 64500}, Reason: "monitor", Origin: sentinel.OriginCLI, Actor: "root", Created: at}
	country := AllowPlace{Place: sentinel.Place{Country: "DE"}, Origin: sentinel.OriginCLI, Created: at.Add(time.Minute)}
	if err := s.Commit(ctx, Results{AllowPlaces: []AllowPlace{network, country, network}}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.AllowPlaces(ctx); err != nil || !reflect.DeepEqual(got, []AllowPlace{network, country}) {
		t.Errorf("%+v, %v", got, err)
	}
	if err := s.Commit(ctx, Results{DisallowPlaces: []sentinel.Place{network.Place, {ASN: 5}}}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.AllowPlaces(ctx); err != nil || len(got) != 1 || got[0].Place != country.Place {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestLogins(t *testing.T) {
	s := open(t, Options{})
	ctx := t.Context()
	at := time.Date(2026, 2, 9, 14, 0, 0, 0, time.UTC)
	home := sentinel.LoginPlace{User: "alice", Country: "NL", First: at.AddDate(0, -2, 0), Last: at, Days: 12, Addr: netip.MustParseAddr("203.0.113.9"), ASN: 64500}
	away := sentinel.LoginPlace{User: "alice", Country: "BR", First: at.AddDate(0, -6, 0), Last: at.AddDate(0, -6, 0), Days: 1}
	if err := s.Commit(ctx, Results{Logins: []sentinel.LoginPlace{home, away}}); err != nil {
		t.Fatal(err)
	}
	home.Last, home.Days = at.AddDate(0, 0, 1), 13
	if err := s.Commit(ctx, Results{Logins: []sentinel.LoginPlace{home}}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Logins(ctx, at.AddDate(-1, 0, 0), 10); err != nil || !reflect.DeepEqual(got, []sentinel.LoginPlace{home, away}) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := s.Logins(ctx, at.AddDate(-1, 0, 0), 1); err != nil || len(got) != 1 || got[0].Country != "NL" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := s.Purge(ctx, at.AddDate(0, -2, 0), 0); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Logins(ctx, time.Time{}.AddDate(2000, 0, 0), 10); err != nil || len(got) != 1 {
		t.Errorf("after the purge %+v, %v", got, err)
	}
}
