// Package sandbox gives up, for good, what a process does not need: files
// (Landlock), system calls (seccomp) and capabilities. What the kernel does not
// offer is left out, and the report says so.
package sandbox

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// Config says what a process needs from now on. Files that it has open stay
// open. Paths that do not exist are left out: what is made in their place later
// is out of reach.
type Config struct {
	// Read are files and directories to be read, with all that is below them;
	// Write are those to be changed, too.
	Read, Write []string
	// Programs may be run, by name or path; the programs that run them (their
	// loader or interpreter) are found. None: nothing can be run.
	Programs []string
	// Connect and Bind are TCP ports that may be used.
	Connect, Bind []uint16
	// Capabilities are kept, all others dropped, by their numbers. Nil keeps all.
	Capabilities []int
}

// Report says what holds from now on.
type Report struct {
	// Landlock is the version of the kernel's interface that is in force, 0 if
	// there is none.
	Landlock int
	// Seccomp: the system calls in denied fail. Exec: programs can be run.
	Seccomp, Exec bool
	// Problems say what could not be had, and why.
	Problems []string

	roots []string
}

// Enter applies c to all threads of the process and its children.
func Enter(c Config) Report {
	r := Report{Exec: len(c.Programs) > 0}
	problem := func(what string, err error) {
		if err != nil {
			r.Problems = append(r.Problems, what+": "+err.Error())
		}
	}
	if c.Capabilities != nil {
		problem("dropping capabilities", keepCapabilities(c.Capabilities))
	}
	err := r.landlock(c)
	problem("Landlock", err)
	err = filter(!r.Exec)
	problem("seccomp", err)
	r.Seccomp = err == nil
	return r
}

const (
	readFile  = landlock.AccessFSSet(ll.AccessFSReadFile)
	readDir   = landlock.AccessFSSet(ll.AccessFSReadDir)
	execute   = landlock.AccessFSSet(ll.AccessFSExecute)
	writeFile = landlock.AccessFSSet(ll.AccessFSWriteFile | ll.AccessFSTruncate)
	makeFile  = landlock.AccessFSSet(ll.AccessFSMakeReg | ll.AccessFSMakeSock | ll.AccessFSMakeDir | ll.AccessFSRemoveFile | ll.AccessFSRemoveDir)
)

// landlock restricts files and ports.
func (r *Report) landlock(c Config) error {
	abi, err := ll.LandlockGetABIVersion()
	if err != nil || abi < 1 {
		return errors.New("this kernel has none, or it was not enabled at boot")
	}
	var rules []landlock.Rule
	allow := func(rights landlock.AccessFSSet, path string) bool {
		info, err := os.Stat(path)
		if err != nil {
			return false
		}
		if !info.IsDir() {
			rights &= readFile | writeFile | execute
		}
		rules = append(rules, landlock.PathAccess(rights, path).IgnoreIfMissing())
		return true
	}
	for _, p := range c.Read {
		if allow(readFile|readDir, p) {
			r.roots = append(r.roots, real(p))
		}
	}
	for _, p := range c.Write {
		if allow(readFile|readDir|writeFile|makeFile, p) {
			r.roots = append(r.roots, real(p))
		}
	}
	for _, p := range loaded(c.Programs) {
		allow(readFile|execute, p)
	}
	for _, port := range c.Connect {
		rules = append(rules, landlock.ConnectTCP(port))
	}
	for _, port := range c.Bind {
		rules = append(rules, landlock.BindTCP(port))
	}
	// Without the scopes of V6: systemd's socket for notifications may be an
	// abstract one.
	all, err := landlock.NewConfig(landlock.V7.HandledAccessFS, landlock.V7.HandledAccessNet)
	if err != nil {
		return fmt.Errorf("preparing: %w", err)
	}
	if err := all.BestEffort().Restrict(rules...); err != nil {
		r.roots = nil
		return fmt.Errorf("restricting: %w", err)
	}
	r.Landlock = abi
	return nil
}

// Covers reports whether the file at path, or a glob, can be read, as far as
// files are concerned. Links are followed.
func (r *Report) Covers(path string) bool {
	if r.Landlock == 0 {
		return true
	}
	path = real(path)
	return slices.ContainsFunc(r.roots, func(root string) bool {
		return root == "/" || path == root || strings.HasPrefix(path, root+"/")
	})
}

// real follows the links in the part of a path that exists.
func real(path string) string {
	rest := ""
	for p := filepath.Clean(path); ; p = filepath.Dir(p) {
		if q, err := filepath.EvalSymlinks(p); err == nil {
			return filepath.Join(q, rest)
		}
		if p == "/" || p == "." {
			return filepath.Clean(path)
		}
		rest = filepath.Join(filepath.Base(p), rest)
	}
}

// loaded returns the files of programs, and of what the kernel starts to run
// them. Programs that are not there are left out.
func loaded(programs []string) []string {
	var out []string
	var add func(path string, depth int)
	add = func(path string, depth int) {
		path, err := filepath.EvalSymlinks(path)
		if err != nil || depth > 4 || slices.Contains(out, path) {
			return
		}
		out = append(out, path)
		if by := runner(path); by != "" {
			add(by, depth+1)
		}
	}
	for _, p := range programs {
		if path, err := find(p); err == nil {
			add(path, 0)
		}
	}
	return out
}

// find also looks where Debian keeps what is not for ordinary users.
func find(program string) (string, error) {
	path, err := exec.LookPath(program)
	if err != nil && !strings.Contains(program, "/") {
		return exec.LookPath("/usr/sbin/" + program)
	}
	return path, err
}

// runner returns the loader of a program, or the interpreter of a script.
func runner(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	head := make([]byte, 256)
	n, _ := f.ReadAt(head, 0)
	if text, ok := strings.CutPrefix(string(head[:n]), "#!"); ok {
		line, _, _ := strings.Cut(text, "\n")
		if words := strings.Fields(line); len(words) > 0 {
			return words[0]
		}
		return ""
	}
	e, err := elf.NewFile(f)
	if err != nil {
		return ""
	}
	for _, p := range e.Progs {
		if p.Type != elf.PT_INTERP || p.Filesz > 4096 {
			continue
		}
		name := make([]byte, p.Filesz)
		if _, err := p.ReadAt(name, 0); err == nil {
			return strings.TrimRight(string(name), "\x00")
		}
	}
	return ""
}
