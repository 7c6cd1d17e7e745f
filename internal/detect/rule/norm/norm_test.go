package norm

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
)

func TestVectors(t *testing.T) {
	if n := len(vectors) + len(resolutions) + len(masks); n < 200 {
		t.Errorf("only %d vectors", n)
	}
	for _, v := range vectors {
		want := v.canon
		if v.decodedOnly != "" {
			want = v.decodedOnly
		}
		got, flags := AppendDecoded(nil, v.in, v.kind)
		if string(got) != want || flags != v.flags {
			t.Errorf("kind %d: %q decodes to %q (%s), not %q (%s)", v.kind, v.in, got, flags, want, v.flags)
		}
		got, flags = Append([]byte("x"), v.in, v.kind)
		if string(got) != "x"+v.canon || flags != v.flags {
			t.Errorf("kind %d: %q has the canon %q (%s), not %q (%s)", v.kind, v.in, got[1:], flags, v.canon, v.flags)
		}
		check(t, v.in)
	}
}

func TestResolve(t *testing.T) {
	for _, v := range resolutions {
		got, flags := AppendResolved(nil, v.in)
		if string(got) != v.out || (flags&EscapesRoot != 0) != v.escapes {
			t.Errorf("%q resolves to %q (%s), not %q (escapes %t)", v.in, got, flags, v.out, v.escapes)
		}
	}
}

func TestMask(t *testing.T) {
	for _, v := range masks {
		if got := string(AppendMasked(nil, v[0])); got != v[1] {
			t.Errorf("%q masked is %q, not %q", v[0], got, v[1])
		}
	}
}

func TestEveryEncodedByte(t *testing.T) {
	const digits = "0123456789abcdef"
	for c := range 256 {
		in := "a%" + string(digits[c>>4]) + string(digits[c&15]) + "b"
		got, _ := AppendDecoded(nil, in, Path)
		want := "a" + string([]byte{byte(c)}) + "b"
		switch {
		case c == 0:
			want = "ab"
		case c < ' ' && c != '\r' && c != '\n', c == 0x7f:
			want = "a b"
		}
		if string(got) != want {
			t.Errorf("%s decodes to %q, not %q", in, got, want)
		}
	}
}

func TestEmbedded(t *testing.T) {
	for in, want := range map[string]string{
		`{"a":"\u003cscript\u003e"}`: `{"a":"<script>"}`,
		`{"a":"x\/y\"z\\\n"}`:        `{"a":"x/y"z\ "}`,
		`"\q\u12"`:                   `"q\u12"`,
		`\`:                          `\`,
	} {
		if got := string(AppendJSON(nil, in)); got != want {
			t.Errorf("%s unescapes to %s, not %s", in, got, want)
		}
	}
	const text = "1 union select ??>> from users"
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
		in := e.EncodeToString([]byte(text))
		for _, s := range []string{in, strings.ReplaceAll(in, "+", " ")} {
			if got, ok := AppendBase64([]byte("x"), s); !ok || string(got) != "x"+text {
				t.Errorf("%s holds %q, %t", s, got, ok)
			}
		}
	}
	for _, s := range []string{"550e8400e29b41d4a716446655440000", "hello, world, how are you", base64.StdEncoding.EncodeToString([]byte("\x00\x01\x02abc\xff\xfe")), "abcde"} {
		if got, ok := AppendBase64(nil, s); ok || len(got) > 0 {
			t.Errorf("%s is taken for base64 of %q", s, got)
		}
	}
}

func TestFlagNames(t *testing.T) {
	for _, n := range FlagNames() {
		f, ok := ParseFlag(n)
		if !ok || f.String() != n {
			t.Errorf("flag %s reads as %s", n, f)
		}
	}
	if _, ok := ParseFlag("nosuch"); ok || (NUL|Overlong).String() != "overlong,nul" {
		t.Error("flags are not named as they should be")
	}
}

// check holds what is true of all texts.
func check(t *testing.T, s string) {
	t.Helper()
	for k := range Agent + 1 {
		dec, _ := AppendDecoded(nil, s, k)
		canon := Canon(bytes.Clone(dec), k)
		if len(dec) > len(s) || len(canon) > len(dec) {
			t.Errorf("kind %d: %q grows to %q, %q", k, s, dec, canon)
		}
		if again := Canon(bytes.Clone(canon), k); !bytes.Equal(again, canon) {
			t.Errorf("kind %d: the canon %q of %q has the canon %q", k, canon, s, again)
		}
		c := Scan(s)
		if c.Decoded(k) && string(dec) != s {
			t.Errorf("kind %d: %q is called decoded and decodes to %q", k, s, dec)
		}
		low := []byte(s)
		Lower(low)
		if c.Canonical(s, k) && !bytes.Equal(canon, low) {
			t.Errorf("kind %d: %q is called canonical and has the canon %q", k, s, canon)
		}
		if c.Canonical(s, k) && !c.Upper() && string(canon) != s {
			t.Errorf("kind %d: %q has no capitals and has the canon %q", k, s, canon)
		}
		if k == Query && Scan(string(dec)).Tidy(string(dec)) {
			Lower(dec)
			if !bytes.Equal(dec, canon) {
				t.Errorf("%q is called tidy and has the canon %q", dec, canon)
			}
		}
	}
	path, _ := Append(nil, s, Path)
	resolved, _ := AppendResolved(nil, string(path))
	if len(resolved) > len(path) {
		t.Errorf("%q grows to %q", path, resolved)
	}
	if again, f := AppendResolved(nil, string(resolved)); string(again) != string(resolved) || f != 0 {
		t.Errorf("%q resolves to %q and that to %q (%s)", path, resolved, again, f)
	}
	if m := AppendMasked(nil, s); len(m) > len(s) {
		t.Errorf("%q masked is %q", s, m)
	}
	if j := AppendJSON(nil, s); len(j) > len(s) {
		t.Errorf("%q unescapes to %q", s, j)
	}
	AppendBase64(nil, s)
}

func FuzzNorm(f *testing.F) {
	for _, v := range vectors {
		f.Add(v.in)
	}
	f.Fuzz(func(t *testing.T, s string) { check(t, s) })
}

func BenchmarkCanonDirty(b *testing.B) {
	s := "id=1%2527%20UNION%2f**%2fSELECT+a,b+FROM+information_schema.tables--+-"
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = Append(buf[:0], s, Query)
	}
}
