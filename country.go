package sentinel

import "math"

// country is a coarse picture of a country: a circle around its middle.
type country struct {
	code     string
	lat, lon int16 // degrees, north and east positive
	reach    int16 // km from the middle to the places farthest from it
}

// countries are the codes of ISO 3166-1, and XK for Kosovo, which the databases
// use. They are in the order of their codes.
var countries = [...]country{
	{"AD", 43, 2, 30}, {"AE", 24, 54, 350}, {"AF", 34, 66, 750}, {"AG", 17, -62, 50}, {"AI", 18, -63, 30},
	{"AL", 41, 20, 200}, {"AM", 40, 45, 200}, {"AO", -12, 18, 900}, {"AQ", -85, 0, 2800}, {"AR", -38, -64, 2000},
	{"AS", -14, -170, 350}, {"AT", 47, 14, 350}, {"AU", -25, 134, 2400}, {"AW", 13, -70, 30}, {"AX", 60, 20, 70},
	{"AZ", 40, 48, 300}, {"BA", 44, 18, 220}, {"BB", 13, -60, 30}, {"BD", 24, 90, 450}, {"BE", 51, 5, 180},
	{"BF", 12, -2, 500}, {"BG", 43, 25, 300}, {"BH", 26, 51, 50}, {"BI", -3, 30, 150}, {"BJ", 10, 2, 400},
	{"BL", 18, -63, 20}, {"BM", 32, -65, 30}, {"BN", 5, 115, 100}, {"BO", -17, -65, 850}, {"BQ", 15, -66, 650},
	{"BR", -10, -52, 2600}, {"BS", 24, -76, 600}, {"BT", 27, 90, 200}, {"BV", -54, 3, 20}, {"BW", -22, 24, 650},
	{"BY", 54, 28, 400}, {"BZ", 17, -89, 180}, {"CA", 60, -95, 3300}, {"CC", -12, 97, 30}, {"CD", -3, 23, 1250},
	{"CF", 7, 20, 800}, {"CG", -1, 15, 700}, {"CH", 47, 8, 220}, {"CI", 8, -6, 450}, {"CK", -20, -160, 1300},
	{"CL", -36, -71, 2300}, {"CM", 6, 12, 800}, {"CN", 35, 104, 2800}, {"CO", 4, -73, 1100}, {"CR", 10, -84, 300},
	{"CU", 22, -79, 650}, {"CV", 16, -24, 200}, {"CW", 12, -69, 50}, {"CX", -10, 106, 20}, {"CY", 35, 33, 130},
	{"CZ", 50, 15, 300}, {"DE", 51, 10, 500}, {"DJ", 12, 43, 130}, {"DK", 56, 10, 400}, {"DM", 15, -61, 40},
	{"DO", 19, -70, 230}, {"DZ", 28, 3, 1350}, {"EC", -1, -80, 1300}, {"EE", 59, 26, 250}, {"EG", 27, 30, 800},
	{"EH", 25, -13, 550}, {"ER", 15, 39, 500}, {"ES", 39, -4, 1900}, {"ET", 9, 40, 900}, {"FI", 64, 26, 700},
	{"FJ", -18, 178, 500}, {"FK", -52, -59, 200}, {"FM", 7, 152, 1600}, {"FO", 62, -7, 80}, {"FR", 47, 2, 750},
	{"GA", -1, 12, 400}, {"GB", 54, -3, 750}, {"GD", 12, -62, 40}, {"GE", 42, 44, 350}, {"GF", 4, -53, 300},
	{"GG", 49, -3, 50}, {"GH", 8, -1, 450}, {"GI", 36, -5, 20}, {"GL", 72, -40, 1500}, {"GM", 13, -15, 220},
	{"GN", 10, -11, 500}, {"GP", 16, -62, 80}, {"GQ", 2, 10, 500}, {"GR", 39, 23, 600}, {"GS", -55, -36, 700},
	{"GT", 16, -90, 300}, {"GU", 13, 145, 40}, {"GW", 12, -15, 220}, {"GY", 5, -59, 500}, {"HK", 22, 114, 50},
	{"HM", -53, 73, 40}, {"HN", 15, -87, 400}, {"HR", 45, 16, 330}, {"HT", 19, -72, 230}, {"HU", 47, 19, 300},
	{"ID", -2, 118, 2700}, {"IE", 53, -8, 300}, {"IL", 31, 35, 270}, {"IM", 54, -5, 40}, {"IN", 22, 79, 1800},
	{"IO", -7, 72, 200}, {"IQ", 33, 44, 600}, {"IR", 32, 54, 1200}, {"IS", 65, -19, 320}, {"IT", 43, 12, 850},
	{"JE", 49, -2, 30}, {"JM", 18, -77, 130}, {"JO", 31, 37, 300}, {"JP", 37, 138, 2000}, {"KE", 0, 38, 600},
	{"KG", 41, 75, 500}, {"KH", 13, 105, 350}, {"KI", 1, -170, 3400}, {"KM", -12, 44, 120}, {"KN", 17, -63, 40},
	{"KP", 40, 127, 450}, {"KR", 36, 128, 400}, {"KW", 29, 48, 130}, {"KY", 19, -81, 150}, {"KZ", 48, 67, 1600},
	{"LA", 18, 104, 650}, {"LB", 34, 36, 120}, {"LC", 14, -61, 40}, {"LI", 47, 10, 30}, {"LK", 8, 81, 270},
	{"LR", 6, -9, 350}, {"LS", -30, 28, 160}, {"LT", 55, 24, 230}, {"LU", 50, 6, 60}, {"LV", 57, 25, 270},
	{"LY", 27, 17, 1000}, {"MA", 32, -6, 1000}, {"MC", 44, 7, 20}, {"MD", 47, 29, 230}, {"ME", 43, 19, 130},
	{"MF", 18, -63, 20}, {"MG", -19, 47, 850}, {"MH", 9, 168, 800}, {"MK", 42, 22, 130}, {"ML", 17, -4, 1000},
	{"MM", 21, 96, 1200}, {"MN", 47, 104, 1250}, {"MO", 22, 114, 30}, {"MP", 17, 146, 400}, {"MQ", 15, -61, 50},
	{"MR", 20, -10, 900}, {"MS", 17, -62, 20}, {"MT", 36, 14, 40}, {"MU", -20, 58, 1100}, {"MV", 3, 73, 550},
	{"MW", -13, 34, 500}, {"MX", 23, -102, 1800}, {"MY", 4, 109, 1150}, {"MZ", -18, 35, 1100}, {"NA", -22, 17, 950},
	{"NC", -21, 165, 350}, {"NE", 17, 9, 950}, {"NF", -29, 168, 20}, {"NG", 9, 8, 800}, {"NI", 13, -85, 350},
	{"NL", 52, 5, 220}, {"NO", 65, 15, 1000}, {"NP", 28, 84, 480}, {"NR", -1, 167, 20}, {"NU", -19, -170, 30},
	{"NZ", -41, 173, 1300}, {"OM", 21, 56, 650}, {"PA", 9, -80, 400}, {"PE", -9, -75, 1250}, {"PF", -17, -145, 1600},
	{"PG", -6, 147, 1000}, {"PH", 12, 122, 1000}, {"PK", 30, 69, 1000}, {"PL", 52, 19, 450}, {"PM", 47, -56, 40},
	{"PN", -24, -128, 400}, {"PR", 18, -66, 120}, {"PS", 32, 35, 120}, {"PT", 39, -9, 2000}, {"PW", 7, 134, 600},
	{"PY", -23, -58, 600}, {"QA", 25, 51, 110}, {"RE", -21, 56, 50}, {"RO", 46, 25, 450}, {"RS", 44, 21, 320},
	{"RU", 60, 90, 4700}, {"RW", -2, 30, 150}, {"SA", 24, 45, 1200}, {"SB", -9, 160, 1000}, {"SC", -6, 54, 900},
	{"SD", 15, 30, 1100}, {"SE", 62, 16, 850}, {"SG", 1, 104, 40}, {"SH", -20, -8, 2500}, {"SI", 46, 15, 180},
	{"SJ", 78, 18, 900}, {"SK", 49, 20, 270}, {"SL", 9, -12, 220}, {"SM", 44, 12, 20}, {"SN", 14, -14, 420},
	{"SO", 6, 46, 1100}, {"SR", 4, -56, 300}, {"SS", 7, 30, 700}, {"ST", 1, 7, 120}, {"SV", 14, -89, 180},
	{"SX", 18, -63, 20}, {"SY", 35, 38, 450}, {"SZ", -26, 31, 120}, {"TC", 22, -72, 100}, {"TD", 15, 19, 1000},
	{"TF", -43, 60, 2200}, {"TG", 8, 1, 350}, {"TH", 15, 101, 1050}, {"TJ", 39, 71, 400}, {"TK", -9, -172, 150},
	{"TL", -9, 126, 220}, {"TM", 39, 59, 700}, {"TN", 34, 9, 480}, {"TO", -20, -175, 500}, {"TR", 39, 35, 850},
	{"TT", 11, -61, 100}, {"TV", -8, 178, 400}, {"TW", 24, 121, 300}, {"TZ", -6, 35, 750}, {"UA", 49, 32, 750},
	{"UG", 1, 32, 400}, {"UM", 15, -160, 5500}, {"US", 40, -100, 6200}, {"UY", -33, -56, 350}, {"UZ", 41, 64, 850},
	{"VA", 42, 12, 10}, {"VC", 13, -61, 80}, {"VE", 7, -66, 950}, {"VG", 18, -65, 60}, {"VI", 18, -65, 70},
	{"VN", 16, 107, 950}, {"VU", -16, 167, 500}, {"WF", -14, -177, 200}, {"WS", -14, -172, 120}, {"XK", 43, 21, 120},
	{"YE", 15, 48, 750}, {"YT", -13, 45, 40}, {"ZA", -29, 25, 1000}, {"ZM", -14, 28, 850}, {"ZW", -19, 30, 500},
}

// countryAt has the place of each code in countries plus one, 0 for none.
var countryAt = func() (t [26 * 26]uint8) {
	for i, c := range countries {
		t[int(c.code[0]-'A')*26+int(c.code[1]-'A')] = uint8(i + 1)
	}
	return t
}()

// findCountry returns the country of a code in capitals, nil for none.
func findCountry(code string) *country {
	if len(code) != 2 || code[0] < 'A' || code[0] > 'Z' || code[1] < 'A' || code[1] > 'Z' {
		return nil
	}
	if i := countryAt[int(code[0]-'A')*26+int(code[1]-'A')]; i != 0 {
		return &countries[i-1]
	}
	return nil
}

// InternCountry returns the code of a country, in capitals, as a text of the
// program: it keeps none of the bytes given. It reports false for other texts.
func InternCountry[T string | []byte](code T) (string, bool) {
	if len(code) != 2 {
		return "", false
	}
	if c := findCountry(string([]byte{code[0] &^ 0x20, code[1] &^ 0x20})); c != nil {
		return c.code, true
	}
	return "", false
}

// CountryGap returns a distance in km that two countries are at least apart, 0
// where they may touch or one of the codes is not known. It is coarse, and errs
// on the side of too little.
func CountryGap(a, b string) float64 {
	from, to := findCountry(a), findCountry(b)
	if from == nil || to == nil || from == to {
		return 0
	}
	return max(0, from.distance(to)-float64(from.reach)-float64(to.reach))
}

// distance returns the km between the middles of two countries.
func (c *country) distance(o *country) float64 {
	const radius, rad = 6371, math.Pi / 180
	lat1, lat2 := float64(c.lat)*rad, float64(o.lat)*rad
	dlat, dlon := lat2-lat1, float64(o.lon-c.lon)*rad
	h := math.Pow(math.Sin(dlat/2), 2) + math.Cos(lat1)*math.Cos(lat2)*math.Pow(math.Sin(dlon/2), 2)
	return 2 * radius * math.Asin(math.Sqrt(min(1, h)))
}
