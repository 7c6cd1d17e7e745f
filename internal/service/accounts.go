package service

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// The accounts of the agent.
const (
	User       = "sentinel"
	AdminGroup = "sentinel-admin"
)

// comment marks the user as ours, so that uninstalling takes no other away.
const comment = "SentinelAI agent"

// entry returns the fields of a line of /etc/passwd or /etc/group below root.
func entry(root, file, name string) ([]string, bool) {
	f, err := os.Open(filepath.Join(root, "/etc", file))
	if err != nil {
		return nil, false
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		if fields := strings.Split(sc.Text(), ":"); len(fields) >= 3 && fields[0] == name {
			return fields, true
		}
	}
	return nil, false
}

// groupID returns the number of a group below root.
func groupID(root, name string) (int, bool) {
	fields, ok := entry(root, "group", name)
	if !ok {
		return 0, false
	}
	gid, err := strconv.Atoi(fields[2])
	return gid, err == nil
}

// userIDs returns the numbers of a user below root and of its first group.
func userIDs(root, name string) (uid, gid int, ok bool) {
	fields, ok := entry(root, "passwd", name)
	if !ok || len(fields) < 4 {
		return 0, 0, false
	}
	uid, err1 := strconv.Atoi(fields[2])
	gid, err2 := strconv.Atoi(fields[3])
	return uid, gid, err1 == nil && err2 == nil
}

// prefix makes useradd and its kind work below root.
func prefix(root string, args ...string) []string {
	if root == "" {
		return args
	}
	return append([]string{"--prefix", root}, args...)
}

func addUser(root string) step {
	return step{
		what: "add the user and group " + User,
		done: func() (string, bool) {
			_, _, ok := userIDs(root, User)
			return "already", ok
		},
		do: func(ctx context.Context) error {
			shell := "/usr/sbin/nologin"
			if _, err := os.Stat(filepath.Join(root, shell)); err != nil {
				shell = "/sbin/nologin"
			}
			args := []string{"--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", shell, "--comment", comment}
			if _, ok := groupID(root, User); ok {
				args = append(args, "--gid", User)
			} else {
				args = append(args, "--user-group")
			}
			return command(ctx, "useradd", prefix(root, append(args, User)...)...)
		},
		undo: func(ctx context.Context) error { return removeUser(ctx, root) },
	}
}

func addGroup(root string) step {
	return step{
		what: "add the group " + AdminGroup,
		done: func() (string, bool) {
			_, ok := groupID(root, AdminGroup)
			return "already", ok
		},
		do: func(ctx context.Context) error {
			return command(ctx, "groupadd", prefix(root, "--system", AdminGroup)...)
		},
		undo: func(ctx context.Context) error { return removeGroup(ctx, root, AdminGroup) },
	}
}

var errNotOurs = errors.New("the user was not made by this program and stays")

// removeUser removes the user that addUser made, and its group.
func removeUser(ctx context.Context, root string) error {
	fields, ok := entry(root, "passwd", User)
	if ok {
		if len(fields) < 5 || fields[4] != comment {
			return errNotOurs
		}
		if err := command(ctx, "userdel", prefix(root, User)...); err != nil {
			return err
		}
	}
	return removeGroup(ctx, root, User) // it stays if people are in it
}

func removeGroup(ctx context.Context, root, name string) error {
	if _, ok := groupID(root, name); !ok {
		return nil
	}
	return command(ctx, "groupdel", prefix(root, name)...)
}

// supplementary returns those of the unit's further groups that exist: systemd
// starts nothing with others.
func supplementary(root string, unit []byte) []byte {
	const key = "SupplementaryGroups="
	lines := strings.Split(string(unit), "\n")
	for i, line := range lines {
		names, ok := strings.CutPrefix(line, key)
		if !ok {
			continue
		}
		var there []string
		for _, name := range strings.Fields(names) {
			if _, ok := groupID(root, name); ok {
				there = append(there, name)
			}
		}
		lines[i] = key + strings.Join(there, " ")
	}
	return []byte(strings.Join(lines, "\n"))
}

// owned returns the numbers for "root" or User, and for the group User.
func owned(root, owner string) (uid, gid int, err error) {
	uid, gid, ok := userIDs(root, User)
	if !ok {
		return 0, 0, fmt.Errorf("there is no user %s", User)
	}
	if g, ok := groupID(root, User); ok {
		gid = g
	}
	if owner == "root" {
		uid = 0
	}
	return uid, gid, nil
}
