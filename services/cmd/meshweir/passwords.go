package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

// passwords are those of Redis users, by name.
type passwords struct {
	byUser map[string]string
	made   []string // the users whose password is new
}

// readPasswords reads a file, or in where its name is "-". A file that is not there holds none; without a name
// there is nothing.
func readPasswords(file string, in io.Reader) (*passwords, error) {
	p := &passwords{byUser: map[string]string{}}
	var text []byte
	var err error
	switch file {
	case "":
		return nil, nil //nolint:nilnil // none are wanted
	case "-":
		text, err = io.ReadAll(in)
	default:
		if text, err = readSecret(file); errors.Is(err, fs.ErrNotExist) {
			return p, nil
		}
	}
	if err == nil {
		err = yaml.UnmarshalStrict(text, &p.byUser)
	}
	for user, password := range p.byUser {
		if err == nil && password == "" {
			err = fmt.Errorf("%q has an empty one", user)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading passwords, want lines of `user: password`: %w", err)
	}
	return p, nil
}

// readSecret reads a file that only its owner may read.
func readSecret(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others: chmod 600 %s", file, file)
	}
	return os.ReadFile(file)
}

// of returns the password of a user, and makes one up for who has none.
func (p *passwords) of(user string) string {
	if p.byUser[user] == "" {
		p.byUser[user] = newPassword()
		p.made = append(p.made, user)
	}
	return p.byUser[user]
}

// newPassword returns a password that nobody guesses, of characters that stand for themselves in a URL.
func newPassword() string { return rand.Text() + rand.Text() }

// save writes the file when there are new passwords, in one step.
func (p *passwords) save(file string, notes io.Writer) error {
	if len(p.made) == 0 {
		return nil
	}
	if file == "-" {
		return fmt.Errorf("reading passwords from standard input: there is none for %s", list(p.made))
	}
	text, err := yaml.Marshal(p.byUser)
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(file), ".passwords-*") // readable by its owner alone
	if err != nil {
		return fmt.Errorf("writing passwords: %w", err)
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.Write(text)
	if err = errors.Join(err, temporary.Close()); err == nil {
		err = os.Rename(temporary.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("writing passwords: %w", err)
	}
	fmt.Fprintf(notes, "Made up the passwords of %s: they stand in %s.\n", list(p.made), file)
	return nil
}
