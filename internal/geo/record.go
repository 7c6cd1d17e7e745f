package geo

import (
	"errors"
	"strings"

	"github.com/oschwald/maxminddb-golang/v2"
	"github.com/oschwald/maxminddb-golang/v2/mmdbdata"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Where the makers of databases put what we look for, in the order of trust.
// MaxMind and DB-IP nest, IPinfo and ip-location-db do not.
var (
	countryPaths = [][]any{{"country", "iso_code"}, {"country_code"}, {"country"}, {"iso_code"}, {"registered_country", "iso_code"}}
	asnPaths     = [][]any{{"autonomous_system_number"}, {"asn"}, {"as_number"}, {"traits", "autonomous_system_number"}}
	orgPaths     = [][]any{{"autonomous_system_organization"}, {"as_name"}, {"as_organization"}, {"traits", "autonomous_system_organization"}, {"organization"}}
)

// country reads the country of a record.
func country(r maxminddb.Result) (string, error) {
	for _, path := range countryPaths {
		s, err := text(r, path)
		if err != nil {
			return "", err
		}
		if code, ok := sentinel.InternCountry(s); ok {
			return code, nil
		}
	}
	return "", nil
}

// network reads the network of a record.
func network(r maxminddb.Result) (g sentinel.Geo, err error) {
	for _, path := range asnPaths {
		if g.ASN, err = number(r, path); err != nil {
			return g, err
		}
		if g.ASN != 0 {
			break
		}
	}
	if g.ASN == 0 {
		return g, nil
	}
	for _, path := range orgPaths {
		s, err := text(r, path)
		if err != nil {
			return g, err
		}
		if g.Org = clean(s); g.Org != "" {
			break
		}
	}
	return g, nil
}

// value takes in a text or a number, and skips all else.
type value struct {
	text   string
	number uint64
}

// maxText is the longest text that is read, in bytes.
const maxText = 1 << 10

// UnmarshalMaxMindDBCursor implements mmdbdata.CursorUnmarshaler.
func (v *value) UnmarshalMaxMindDBCursor(c mmdbdata.Cursor) (next mmdbdata.Cursor, err error) {
	kind, err := c.Kind()
	if err != nil {
		return next, err
	}
	switch kind {
	case mmdbdata.KindString:
		v.text, next, err = c.ReadStringMaxSize(maxText)
		return next, err
	case mmdbdata.KindUint16, mmdbdata.KindUint32, mmdbdata.KindUint64:
		v.number, next, err = c.ReadUint()
		return next, err
	}
	return c.Skip()
}

// read decodes the value at a path of a record, zero if there is none.
func read(r maxminddb.Result, path []any) (v value, err error) {
	err = r.DecodePath(&v, path...)
	var broken maxminddb.InvalidDatabaseError
	if err != nil && !errors.As(err, &broken) {
		err = nil // the path leads through a value of another kind: another maker's record
	}
	return v, err
}

func text(r maxminddb.Result, path []any) (string, error) {
	v, err := read(r, path)
	return v.text, err
}

// number reads the number of a network, written as a number or as "AS64500".
func number(r maxminddb.Result, path []any) (uint32, error) {
	v, err := read(r, path)
	if err != nil || v.number > 1<<32-1 {
		return 0, err
	}
	if v.text != "" {
		n, err := sentinel.ParseASN(strings.TrimSpace(v.text))
		if err != nil {
			return 0, nil // "" or "-": none
		}
		return n, nil
	}
	return uint32(v.number), nil
}
