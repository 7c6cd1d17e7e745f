package config

import (
	"fmt"
	"io"
	"log/slog"
)

// hidden is what is shown of a secret.
const hidden = "(hidden)"

// Secret is a value that must not be shown: a password, a token. Whatever
// prints, logs or encodes it writes "(hidden)"; only Reveal gives the text. The
// zero Secret is empty and shows as such.
type Secret struct {
	// p is a pointer so that printing an enclosing struct by reflection, which
	// calls no methods on unexported fields, shows an address at most.
	p *string
	// from is the file that should hold it, if any; err says why it could not
	// be read.
	from string
	err  error
}

// NewSecret returns text as a secret.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{p: &text}
}

// Reveal returns the text.
func (s Secret) Reveal() string {
	if s.p == nil {
		return ""
	}
	return *s.p
}

// Err says why a secret that a file should hold is not to be had. What needs the
// secret must then not start.
func (s Secret) Err() error { return s.err }

// String returns "(hidden)", or nothing for an empty secret.
func (s Secret) String() string {
	if s.p == nil {
		return ""
	}
	return hidden
}

// Format implements fmt.Formatter for all verbs.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText implements encoding.TextMarshaler, and by it JSON and XML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalYAML implements yaml.Marshaler.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
