package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// withSecret is a schema that has a secret, as a channel for messages would.
type withSecret struct {
	token Secret
	file  string
	// problems are those of the file, faults those of the secret.
	problems, faults Problems
	schema           section
	config           *Config
}

func loadSecret(text string) *withSecret {
	w := &withSecret{config: Default()}
	w.schema = section{{"channel", section(secretEntries("token", &w.token, &w.file))}}
	d := &decoder{file: "c.yml", set: map[string]int{}}
	if root := d.document([]byte(text)); root != nil && d.expand(root, "", &Options{}) {
		w.schema.decode(d, "", root)
		d.checkSecrets(w.schema)
	}
	w.problems, w.config.set = d.problems, d.set
	if len(d.problems) == 0 {
		w.faults = readSecrets(w.schema, "c.yml", d.set)
	}
	return w
}

func TestSecretFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	write := func(text string, mode fs.FileMode) {
		t.Helper()
		_ = os.Remove(path)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	text := "channel:\n  token_file: " + path + "\n"
	for _, mode := range []fs.FileMode{0o600, 0o400} {
		write(canary+"\n", mode)
		w := loadSecret(text)
		if w.token.Reveal() != canary || w.token.Err() != nil || len(w.faults) > 0 {
			t.Errorf("mode %o: %q, %v, %v", mode, w.token.Reveal(), w.token.Err(), w.faults)
		}
		if shown := render(w.schema, w.config); !strings.Contains(shown, "token: \"\" # hidden, from "+path+"\n") && !strings.Contains(shown, "token: '' # hidden, from "+path+"\n") {
			t.Errorf("not said where it comes from:\n%s", shown)
		} else if back := loadSecret(shown); back.token.Reveal() != canary || len(back.problems) > 0 {
			t.Errorf("what is shown does not read as the same: %v\n%s", back.problems, shown)
		}
	}
	if w := loadSecret(text + "  token: x\n"); len(w.problems) != 1 || w.problems[0].Key != "channel.token_file" {
		t.Errorf("given twice: %v", w.problems)
	}
	if w := loadSecret("channel: {token_file: token}"); len(w.problems) != 1 {
		t.Errorf("a path that is not absolute: %v", w.problems)
	}
	if w := loadSecret("channel: {}"); w.token != (Secret{}) || len(w.faults) > 0 {
		t.Errorf("none given: %v, %v", w.token, w.faults)
	}

	// systemd hands credentials over in a directory of its own, by name.
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	if w := loadSecret(""); w.token != (Secret{}) || len(w.faults) > 0 {
		t.Errorf("no credential: %v, %v", w.token, w.faults)
	}
	if err := os.WriteFile(filepath.Join(dir, "channel.token"), []byte(canary), 0o440); err != nil {
		t.Fatal(err)
	}
	if w := loadSecret(""); w.token.Reveal() != canary || len(w.faults) > 0 {
		t.Errorf("a credential: %q, %v", w.token.Reveal(), w.faults)
	}
	if w := loadSecret("channel: {token: mine}"); w.token.Reveal() != "mine" {
		t.Errorf("the file's own secret: %q", w.token.Reveal())
	}
}

func TestFaultSecrets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	t.Run("D13 a secret that others may read, and other files that hold none", func(t *testing.T) {
		for name, spoil := range map[string]func() error{
			"others may read": func() error { return os.Chmod(path, 0o644) },
			"(mode 0640)":     func() error { return os.Chmod(path, 0o640) },
			"(mode 0602)":     func() error { return os.Chmod(path, 0o602) },
			"no such file":    func() error { return os.Remove(path) },
			"is empty":        func() error { return os.WriteFile(path, []byte("\n"), 0o600) },
			"one line":        func() error { return os.WriteFile(path, []byte(canary+"\nb"), 0o600) },
			"longer than":     func() error { return os.WriteFile(path, bytes.Repeat([]byte(canary), maxSecret/8), 0o600) },
			"regular file":    func() error { _ = os.Remove(path); return syscall.Mkfifo(path, 0o600) },
		} {
			_ = os.Remove(path)
			if err := os.WriteFile(path, []byte(canary), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := spoil(); err != nil {
				t.Fatal(err)
			}
			w := loadSecret("channel:\n  token_file: " + path + "\n")
			if len(w.faults) != 1 || w.faults[0].Line != 2 || w.faults[0].Key != "channel.token_file" || !strings.Contains(w.faults[0].Message, name) {
				t.Errorf("%s: %v", name, w.faults)
			}
			if w.token.Reveal() != "" || w.token.Err() == nil {
				t.Errorf("%s: the secret can be had, %v", name, w.token.Err())
			}
			if strings.Contains(fmt.Sprint(w.faults, w.token.Err()), canary) {
				t.Errorf("%s: the fault tells the secret", name)
			}
		}
	})
	t.Run("D12 a secret in whatever is shown, logged, compared or printed by a panic", func(t *testing.T) {
		_ = os.Remove(path)
		if err := os.WriteFile(path, []byte(canary), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("SENTINEL_CANARY", canary)
		for _, text := range []string{
			"channel: {token: " + canary + "}\n", "channel: {token: '${SENTINEL_CANARY}'}\n", "channel: {token_file: " + path + "}\n",
		} {
			w := loadSecret(text)
			if w.token.Reveal() != canary {
				t.Fatalf("%s: not read: %v", text, w.problems)
			}
			type holder struct {
				Token Secret
				inner struct{ token *Secret }
			}
			h := holder{Token: w.token}
			h.inner.token = &w.token
			var b bytes.Buffer
			b.WriteString(render(w.schema, w.config))
			w.schema.walk("", func(key string, v value) { fmt.Fprintln(&b, key, oneLine(v), inlineOf(v.show())) })
			b.WriteString(strings.Join(differences(w.schema, loadSecret("").schema), " "))
			for _, f := range []slog.Handler{slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}), slog.NewJSONHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug})} {
				slog.New(f).Debug("configuration", "token", w.token, "holder", h, "pointer", &h, "schema", w.schema)
			}
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
				fmt.Fprintf(&b, verb+verb+verb, w.token, h, &h)
			}
			j, err := json.Marshal(h)
			if err != nil {
				t.Fatal(err)
			}
			b.Write(j)
			func() {
				defer func() { fmt.Fprint(&b, recover(), string(debug.Stack())) }()
				panic(fmt.Sprintf("%+v", h))
			}()
			// A fault is shown with its line: a wrong key beside the secret, the
			// secret at a wrong key, no YAML at all.
			for _, faulty := range []string{
				strings.Replace(text, "{", "{x: 5, ", 1), strings.Replace(text, "token", "tokn", 1), strings.Replace(text, "}", ", x: y: z}", 1), text[:len(text)-2],
			} {
				problems := loadSecret(faulty).problems
				if len(problems) == 0 {
					t.Errorf("no fault in %s", faulty)
				}
				b.WriteString(problems.Error())
			}
			if found := b.String(); strings.Contains(found, canary) || strings.Contains(strings.ToLower(found), fmt.Sprintf("%x", canary)) {
				i := strings.Index(found, canary)
				t.Errorf("the secret is in …%q…", found[max(0, i-60):min(len(found), i+60)])
			}
		}
	})
}

// Every key that holds a secret by its name is one, and has a _file beside it.
func TestSecretKeysAreSecrets(t *testing.T) {
	keys := Keys()
	schema(Default()).walk("", func(key string, v value) {
		_, isSecret := v.(*secret)
		name := key[strings.LastIndexByte(key, '.')+1:]
		looks := slices.ContainsFunc([]string{"token", "secret", "password", "api_key"}, func(s string) bool { return strings.HasSuffix(name, s) })
		if looks != isSecret {
			t.Errorf("%s: called as a secret: %t, is one: %t", key, looks, isSecret)
		}
		if isSecret && !slices.Contains(keys, key+"_file") {
			t.Errorf("%s has no %s_file beside it", key, key)
		}
	})
}
