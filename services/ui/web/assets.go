package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// files are the folders of the pages, and what they share.
//
//go:embed */*.tmpl */*.css */*.js */*.svg libraries
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
	shared := map[string][]byte{}
	var pages bytes.Buffer
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		switch path.Ext(name) {
		case ".js", ".svg", ".woff2":
			a.add(name, body)
		case ".css":
			if path.Dir(name) == "shared" {
				shared[name] = body
			} else {
				pages.Write(body)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading embedded files: %w", err)
	}
	style, err := a.style(shared, pages.String())
	if err != nil {
		return nil, err
	}
	a.add(stylesheet, []byte(style))
	return a, nil
}

// style joins the styles, those that are shared first, and puts addresses for the names of files.
func (a *assets) style(shared map[string][]byte, pages string) (string, error) {
	var b strings.Builder
	for _, name := range []string{"tokens", "base", "shell", "components"} {
		file := "shared/" + name + ".css"
		if shared[file] == nil {
			return "", fmt.Errorf("joining styles: no %s is embedded", file)
		}
		b.Write(shared[file])
		delete(shared, file)
	}
	if len(shared) > 0 {
		return "", fmt.Errorf("joining styles: these have no place in the order: %v", slices.Collect(maps.Keys(shared)))
	}
	b.WriteString(pages)
	style := b.String()
	for name, url := range a.urls {
		style = strings.ReplaceAll(style, `url("`+name+`")`, `url("`+url+`")`)
	}
	return style, nil
}

func (a *assets) add(name string, body []byte) {
	sum := sha256.Sum256(body)
	extension := path.Ext(name)
	url := "/assets/" + strings.TrimSuffix(name, extension) + "." + hex.EncodeToString(sum[:6]) + extension
	kind := map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".woff2": "font/woff2"}[extension]
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
