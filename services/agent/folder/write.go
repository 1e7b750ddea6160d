package folder

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"time"
)

// temporary begins the names of files that are being written.
const temporary = ".meshweir-new-"

// parseApplied returns a file of the applied folder, from memory if it has not changed.
func (f *Folder) parseApplied(name string, info fs.FileInfo) parsedFile {
	now := version{size: info.Size(), changed: info.ModTime(), mode: info.Mode(), info: info}
	if old, ok := f.parsed[name]; ok && old.settled && old.version.same(now) {
		return old
	}
	file := parsedFile{version: now, settled: time.Since(info.ModTime()) > settledAfter}
	if data, err := read(f.applied, name, now, f.cfg.MaxFileBytes); err == nil {
		file.objects, file.ours = parseOurs(data)
	}
	f.parsed[name] = file
	return file
}

// write replaces a file unless it has the content already.
func (f *Folder) write(name string, content []byte) error {
	if old, err := f.applied.ReadFile(name); err == nil && bytes.Equal(old, content) {
		return nil
	}
	return f.replace(name, content)
}

// replace writes a file as a whole: a reader sees the old content or the new
// one, also after the machine lost its power.
func (f *Folder) replace(name string, content []byte) error {
	fresh := path.Join(path.Dir(name), temporary+path.Base(name))
	if len(path.Base(fresh)) > 255 {
		fresh = path.Join(path.Dir(name), temporary+"long") // one is written at a time
	}
	err := f.writeSynced(fresh, content)
	if err == nil {
		err = f.applied.Rename(fresh, name)
	}
	if err != nil {
		err = fmt.Errorf("writing %s: %w", name, err)
		if removeErr := f.applied.Remove(fresh); removeErr != nil && !errors.Is(removeErr, fs.ErrNotExist) {
			err = errors.Join(err, removeErr)
		}
		return err
	}
	return nil
}

func (f *Folder) writeSynced(name string, content []byte) error {
	file, err := f.applied.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}
