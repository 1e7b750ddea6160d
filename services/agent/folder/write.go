package folder

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/services/agent/manifest"
)

// temporary begins the names of files that are being written.
const temporary = ".meshweir-new-"

// writeObject replaces a file by that of an object, unless it stands there already. What the file says is known then.
func (f *Folder) writeObject(name string, object map[string]any) error {
	content, err := yaml.Marshal(object)
	if err != nil {
		return fmt.Errorf("encoding: %w", err)
	}
	if err := f.write(name, content); err != nil {
		return err
	}
	doc := manifest.Document{Object: &unstructured.Unstructured{Object: object}, Line: 1}
	f.remember(name, newParsedFile(sha256.Sum256(content), []manifest.Document{doc}, nil))
	return nil
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
