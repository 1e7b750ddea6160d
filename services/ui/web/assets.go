package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed shared overview cluster resources resource problem libraries
var files embed.FS

// assets are the files that browsers load, under names that hold their hash, so
// that they may be kept for ever.
type assets struct {
	// urls maps a file ("shared/live.js") to its address.
	urls map[string]string
	// content maps an address to the file.
	content map[string]asset
}

type asset struct {
	kind string
	body []byte
}

// stylesheet is all the pages' styles in one file.
const stylesheet = "app.css"

func newAssets() (*assets, error) {
	a := &assets{urls: map[string]string{}, content: map[string]asset{}}
	var style bytes.Buffer
	base, err := files.ReadFile("shared/base.css")
	if err != nil {
		return nil, fmt.Errorf("reading styles: %w", err)
	}
	style.Write(base)
	err = fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		switch path.Ext(name) {
		case ".js", ".svg":
			a.add(name, body)
		case ".css":
			if name != "shared/base.css" {
				style.Write(body)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading embedded files: %w", err)
	}
	a.add(stylesheet, style.Bytes())
	return a, nil
}

func (a *assets) add(name string, body []byte) {
	sum := sha256.Sum256(body)
	extension := path.Ext(name)
	url := "/assets/" + strings.TrimSuffix(name, extension) + "." + hex.EncodeToString(sum[:6]) + extension
	kind := map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}[extension]
	if kind == "" {
		kind = mime.TypeByExtension(extension)
	}
	a.urls[name] = url
	a.content[url] = asset{kind, body}
}

// url returns the address of a file; templates call it.
func (a *assets) url(name string) (string, error) {
	url, ok := a.urls[name]
	if !ok {
		return "", fmt.Errorf("no file %q is embedded", name)
	}
	return url, nil
}

func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	found, ok := a.content[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", found.kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(found.body))
}
