package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/services/cmd/launch"
)

const (
	// aclFile is the aclfile below the folder that writeUserFolder fills.
	aclFile = "redis/users.acl"
	// passwordFile is the name of a password's file, in its user's own folder.
	passwordFile = "password"
)

// writeUserFolder makes a folder hold what containers need of Redis' users, so that each may be given its own part:
// redis/users.acl, the aclfile, and for each user <service>/password. Passwords that are there stay, and so do users
// in the aclfile that are not of the list, such as those that `cluster register` has made. The user "default" is off,
// unless the aclfile says something else of it.
func writeUserFolder(folder string, users []launch.User, notes io.Writer) error {
	lines, names := firstUsers(), []string{probeUser}
	var made []string
	for _, u := range users {
		path := filepath.Join(folder, strings.TrimPrefix(u.Name, "meshweir-"), passwordFile)
		password, isNew, err := ensurePassword(path)
		if err != nil {
			return fmt.Errorf("making the password of %s: %w", u.Name, err)
		}
		if isNew {
			made = append(made, u.Name)
		}
		names = append(names, u.Name)
		lines = append(lines, "user "+aclUser{Name: u.Name, Password: redisconn.Hash(password), Rules: u.Rules}.line(""))
	}
	path := filepath.Join(folder, filepath.FromSlash(aclFile))
	others, err := otherUsers(path, names)
	if err != nil {
		return err
	}
	others = slices.DeleteFunc(others, losesTransactions)
	if slices.ContainsFunc(others, func(line string) bool { return userOf(line) == "default" }) {
		lines = lines[1:]
	}
	text := strings.Join(append(lines, others...), "\n") + "\n"
	if err := replaceFile(path, []byte(text), 0o660); err != nil {
		return fmt.Errorf("writing the users of Redis: %w", err)
	}
	fmt.Fprintf(notes, "%s has %d users", path, len(lines)+len(others))
	if len(made) > 0 {
		fmt.Fprintf(notes, "; made up the passwords of %s", list(made))
	}
	fmt.Fprintln(notes, ".")
	return nil
}

// ensurePassword returns the password in a file, and makes one up where there is no file.
func ensurePassword(path string) (password string, isNew bool, err error) {
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		password = newPassword()
		return password, true, replaceFile(path, []byte(password+"\n"), 0o440)
	case err != nil:
		return "", false, err
	}
	if password = strings.TrimSpace(string(text)); password == "" {
		return "", false, fmt.Errorf("%s is empty: remove it, and a new one is made up", path)
	}
	return password, false, nil
}

// otherUsers returns the lines of an aclfile about users that are none of those named.
func otherUsers(path string, names []string) (lines []string, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the users of Redis: %w", err)
	}
	for line := range bytes.Lines(text) {
		if user := userOf(string(line)); user != "" && !slices.Contains(names, user) {
			lines = append(lines, strings.TrimSpace(string(line)))
		}
	}
	return lines, nil
}

// losesTransactions reports whether a line is about a default user that is off and may do nothing, see defaultUser.
func losesTransactions(line string) bool {
	words := strings.Fields(line)
	return userOf(line) == "default" && slices.Contains(words, "off") && !slices.Contains(words, "+@all")
}

// userOf returns whom a line of an aclfile is about.
func userOf(line string) string {
	if words := strings.Fields(line); len(words) > 1 && words[0] == "user" {
		return words[1]
	}
	return ""
}

// replaceFile writes a file in one step, and its folder if that is missing.
func replaceFile(path string, content []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o770); err != nil { //nolint:gosec // G301: Redis writes its aclfile too
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.Write(content)
	err = errors.Join(err, temporary.Chmod(mode), temporary.Close())
	if err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}
