package sentinel

import (
	"slices"
	"strings"
	"testing"
)

func TestCountries(t *testing.T) {
	if !slices.IsSortedFunc(countries[:], func(a, b country) int {
		if a.code < b.code {
			return -1
		}
		return 1
	}) {
		t.Error("the countries are not in order, or one stands twice")
	}
	for _, c := range countries {
		if got, err := ParseCountry(c.code); err != nil || got != c.code {
			t.Errorf("%s: %q, %v", c.code, got, err)
		}
		if c.lat < -90 || c.lat > 90 || c.lon < -180 || c.lon > 180 || c.reach <= 0 {
			t.Errorf("%+v is not a place", c)
		}
	}
	if got, err := ParseCountry("nl"); err != nil || got != "NL" {
		t.Errorf("nl: %q, %v", got, err)
	}
	for _, bad := range []string{"", "N", "NLD", "ZZ", "1L", "é", "n\x00", "\xce\xcc"} {
		if got, err := ParseCountry(bad); err == nil {
			t.Errorf("%q is %s", bad, got)
		}
	}
}

func TestCountryGap(t *testing.T) {
	for _, near := range [][2]string{{"NL", "BE"}, {"US", "CA"}, {"US", "MX"}, {"RU", "FI"}, {"CN", "IN"}, {"FR", "GB"}, {"NL", "NL"}, {"NL", "ZZ"}, {"", ""},
		{"RU", "US"}, {"ES", "MA"}, {"PT", "ES"}, {"BR", "PE"}, {"CL", "AR"}, {"ID", "MY"}, {"NO", "SE"}, {"CN", "RU"}, {"TR", "GR"}, {"EG", "IL"}} {
		if gap := CountryGap(near[0], near[1]); gap != 0 {
			t.Errorf("%v are %.0f km apart, and may touch", near, gap)
		}
	}
	for _, far := range []struct {
		a, b     string
		min, max float64
	}{
		{"NL", "BR", 5500, 8000}, {"DE", "CN", 3000, 5500}, {"FR", "VN", 6500, 9000}, {"NL", "JP", 6000, 8700}, {"NZ", "GB", 15000, 18500},
		{"US", "NL", 600, 7000}, {"DE", "SG", 8500, 10300}, {"FJ", "WS", 0, 900},
	} {
		gap := CountryGap(far.a, far.b)
		if gap < far.min || gap > far.max || gap != CountryGap(far.b, far.a) {
			t.Errorf("%s and %s are %.0f km apart, want %.0f to %.0f", far.a, far.b, gap, far.min, far.max)
		}
	}
}

func TestParseASN(t *testing.T) {
	for _, good := range []string{"64500", "AS64500", "as64500"} {
		if n, err := ParseASN(good); n != 64500 || err != nil {
			t.Errorf("%q: %d, %v", good, n, err)
		}
	}
	for _, bad := range []string{"", "AS", "AS0", "0", "-1", "4294967296", "ASAS1", "64500 ", "0x10"} {
		if n, err := ParseASN(bad); err == nil {
			t.Errorf("%q is %d", bad, n)
		}
	}
}

// FuzzGeoWords: what is taken for a country or a network is one, in its one form.
func FuzzGeoWords(f *testing.F) {
	for _, s := range []string{"nl", "NL", "AS64500", "64500", "country:de", "x", "\x0e\x0c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if code, err := ParseCountry(s); err == nil {
			if again, err := ParseCountry(code); err != nil || again != code || !strings.EqualFold(code, s) {
				t.Errorf("%q is %q, which is %q", s, code, again)
			}
		}
		if p, err := ParsePlace(s); err == nil {
			if again, err := ParsePlace(p.String()); err != nil || again != p || p.IsZero() {
				t.Errorf("%q is %v, which is %v", s, p, again)
			}
		}
		if n, err := ParseASN(s); err == nil && n == 0 {
			t.Errorf("%q is network 0", s)
		}
	})
}
