package e2e

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
	_ "modernc.org/sqlite" // the driver
)

// disk is a small file system of its own.
type disk struct{ dir, device string }

// memory mounts a file system in memory.
func memory(t *testing.T, options string) *disk {
	t.Helper()
	d := &disk{dir: tempDir(t)}
	must(t, syscall.Mount("tmpfs", d.dir, "tmpfs", 0, options))
	t.Cleanup(func() { _ = syscall.Unmount(d.dir, syscall.MNT_DETACH) })
	return d
}

// ext4 mounts a file system in a file.
func ext4(t *testing.T, size string, makeOptions ...string) *disk {
	t.Helper()
	image := filepath.Join(tempDir(t), "image")
	d := &disk{dir: tempDir(t)}
	for _, args := range [][]string{
		{"truncate", "-s", size, image},
		append(append([]string{"mkfs.ext4", "-q"}, makeOptions...), image),
		{"mount", "-o", "loop,errors=remount-ro", image, d.dir},
	} {
		path, err := lookPath(args[0])
		must(t, err)
		if out, err := exec.Command(path, args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", d.dir).Run() })
	mounts, err := os.ReadFile("/proc/self/mounts")
	must(t, err)
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); f[1] == d.dir {
			d.device = filepath.Base(f[0])
		}
	}
	return d
}

// fill uses up all room.
func (d *disk) fill(t *testing.T) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(d.dir, "filler"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	must(t, err)
	defer f.Close()
	for _, n := range []int{64 << 10, 512, 1} {
		for err = nil; err == nil; {
			_, err = f.Write(bytes.Repeat([]byte{1}, n))
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

func (d *disk) free(t *testing.T) {
	t.Helper()
	must(t, os.Remove(filepath.Join(d.dir, "filler")))
}

// onDisk runs an agent whose database is on a disk, with one attacker blocked.
func onDisk(t *testing.T, l *lab, d *disk) (*agentProc, *logFile) {
	t.Helper()
	log := newLog(t, filepath.Join(tempDir(t), "auth.log"))
	a := runAgent(t, l.victim, settings{logs: map[string]string{log.path: "ssh"}, db: filepath.Join(d.dir, "state", "db")})
	log.write(t, failures(evil[0].String(), 12)...)
	l.cut(t, evil[0])
	return a, log
}

// afterwards wants everything stored that was decided meanwhile.
func afterwards(t *testing.T, l *lab, a *agentProc, lines int, attackers ...int) {
	t.Helper()
	a.expect(t, "storing works again", func(s *control.Status) bool {
		return s.Database.Error == "" && s.Last24h.Events == uint64(lines)
	})
	if code := a.stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	blocks, events := a.stored(t)
	if events != int64(lines) {
		t.Errorf("%d events stored, want %d", events, lines)
	}
	for _, n := range attackers {
		if !slices.Contains(blocks, evil[n].String()) {
			t.Errorf("the block of %s is not stored", evil[n])
		}
	}
	l.tool(t, "nft", "flush", "ruleset")
}

func TestFaultDisk(t *testing.T) {
	l := newLab(t)

	t.Run("F01 the disk is full: the reserve is given up, then memory has to do", func(t *testing.T) {
		d := memory(t, "size=12m")
		a, log := onDisk(t, l, d)
		reserve := a.db + ".ballast"
		if _, err := os.Stat(reserve); err != nil {
			t.Fatal(err)
		}
		d.fill(t)
		log.write(t, failures(evil[1].String(), 12)...)
		l.cut(t, evil[1])
		s := a.expect(t, "the reserve is gone and said to be", func(s *control.Status) bool {
			return hasAlarm(s, "database", "the reserve beside the database was given up")
		})
		if _, err := os.Stat(reserve); err == nil || s.Database.Error != "" {
			t.Errorf("the reserve is there: %v; storing: %q", err == nil, s.Database.Error)
		}
		// Now there is none.
		d.fill(t)
		n := 24
		s = a.expect(t, "storing fails, and is said to", func(s *control.Status) bool {
			log.write(t, failure("192.0.2.1", n))
			n++
			return s.Health == control.HealthDegraded && s.Database.Error != "" && hasAlarm(s, "database", "go on from memory")
		})
		if !strings.Contains(s.Database.Error, "full") {
			t.Errorf("error %q", s.Database.Error)
		}
		log.write(t, failures(evil[2].String(), 12)...)
		l.cut(t, evil[2])
		d.free(t)
		afterwards(t, l, a, n+12, 0, 1, 2)
	})

	t.Run("F01 the disk is full at the start", func(t *testing.T) {
		d := memory(t, "size=12m")
		a, log := onDisk(t, l, d)
		a.expect(t, "it is stored", func(s *control.Status) bool { return s.Last24h.Events == 12 })
		a.stop(t)
		d.fill(t)
		a.start(t)
		a.ready(t)
		log.write(t, failures(evil[1].String(), 12)...)
		l.cut(t, evil[1])
		if !l.isCut(t, evil[0]) {
			t.Error("the earlier block is gone")
		}
		d.free(t)
		afterwards(t, l, a, 24, 0, 1)
	})

	t.Run("F02 no inode is left", func(t *testing.T) {
		d := ext4(t, "16M", "-N", "64")
		a, log := onDisk(t, l, d)
		for i := 0; ; i++ {
			if err := os.WriteFile(filepath.Join(d.dir, fmt.Sprint("f", i)), nil, 0o644); err != nil {
				if !errors.Is(err, syscall.ENOSPC) {
					t.Fatal(err)
				}
				break
			}
		}
		log.write(t, failures(evil[1].String(), 12)...)
		l.cut(t, evil[1])
		afterwards(t, l, a, 24, 0, 1)
	})

	t.Run("F07 another program locks the database", func(t *testing.T) {
		d := &disk{dir: tempDir(t)}
		a, log := onDisk(t, l, d)
		db, err := sql.Open("sqlite", "file:"+a.db)
		must(t, err)
		defer db.Close()
		db.SetMaxOpenConns(1)
		_, err = db.Exec("BEGIN EXCLUSIVE")
		must(t, err)
		began := time.Now()
		for n := 1; n <= 3; n++ { // longer than the agent waits for it
			log.write(t, failures(evil[n].String(), 12)...)
			l.cut(t, evil[n])
			t.Logf("attacker %d is cut off %s after the lock", n, time.Since(began).Round(time.Millisecond))
		}
		a.expect(t, "the lock is said", func(s *control.Status) bool { return hasAlarm(s, "database", "locked by another process") })
		_, err = db.Exec("ROLLBACK")
		must(t, err)
		afterwards(t, l, a, 48, 0, 1, 2, 3)
	})

	t.Run("F08 the file system becomes read-only", func(t *testing.T) {
		d := ext4(t, "32M")
		a, log := onDisk(t, l, d)
		// What the kernel does on a fault of the disk, with the files still open.
		must(t, os.WriteFile("/sys/fs/ext4/"+d.device+"/trigger_fs_error", []byte("planted by a test"), 0o200))
		log.write(t, failures(evil[1].String(), 12)...)
		l.cut(t, evil[1])
		s := a.expect(t, "it is said", func(s *control.Status) bool { return hasAlarm(s, "database", "go on from memory") })
		t.Log(s.Database.Error)
		log.write(t, failures(evil[2].String(), 12)...)
		l.cut(t, evil[2])
		if !a.running() || !l.isCut(t, evil[0]) {
			t.Error("what was blocked before is not any more")
		}
	})
}
