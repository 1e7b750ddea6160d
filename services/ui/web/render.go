package web

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"
)

// renderer executes the templates of all pages.
type renderer struct {
	templates *template.Template
	assets    *assets
	version   string
	// sections are those that pages belong to.
	sections []section
}

// region is a part of a page that stays true while the page is open.
type region struct {
	name string
	html template.HTML
	hash uint64
}

func newRenderer(a *assets, version string, pages []*page) (*renderer, error) {
	t := template.New("").Option("missingkey=error").Funcs(template.FuncMap{
		"asset": a.url, "num": number, "plural": plural, "moment": moment, "href": Href, "kindName": kindName, "dict": dict,
		"add": func(a, b int) int { return a + b }, "mebibytes": mebibytes,
	})
	t, err := t.ParseFS(files, "*/*.tmpl")
	if err != nil {
		return nil, fmt.Errorf("parsing templates: %w", err)
	}
	r := &renderer{templates: t, assets: a, version: version}
	for _, s := range sections() {
		if slices.ContainsFunc(pages, func(p *page) bool { return p.section == s.title }) {
			r.sections = append(r.sections, s)
		}
	}
	return r, nil
}

// regions renders the live parts of a page, and of the shell around it.
func (r *renderer) regions(p *page, f *Fleet, data any) ([]region, error) {
	regions := make([]region, 0, len(p.regions)+2)
	for _, name := range p.regions {
		made, err := r.region(name, p.name+"/"+name, data)
		if err != nil {
			return nil, err
		}
		regions = append(regions, made)
	}
	around, err := r.shellRegions(f, p.section)
	return append(regions, around...), err
}

func (r *renderer) region(name, template string, data any) (region, error) {
	var b bytes.Buffer
	if err := r.templates.ExecuteTemplate(&b, template, data); err != nil {
		return region{}, fmt.Errorf("rendering %s: %w", template, err)
	}
	sum := fnv.New64a()
	sum.Write(b.Bytes())
	return region{name, htmlOf(b), sum.Sum64()}, nil
}

// htmlOf takes what templates wrote.
func htmlOf(b bytes.Buffer) template.HTML { return template.HTML(b.String()) } //nolint:gosec // it is a template's output

// stateOf names what a set of regions shows.
func stateOf(regions []region) string {
	sum := fnv.New64a()
	for _, r := range regions {
		fmt.Fprintf(sum, "%s=%x;", r.name, r.hash)
	}
	return strconv.FormatUint(sum.Sum64(), 16)
}

// frame is what the layout shows around a page.
type frame struct {
	Title   string
	Page    string
	Version string
	// Live is the address of the page's events; empty for a page that has none.
	Live string
	// API is the address of the page's JSON twin; empty for none.
	API string
	// Script is the page's own script; empty for none.
	Script string
	// Shell is what stands around the page.
	Shell shell
	// Regions are the rendered live parts of the page, by name.
	Regions map[string]template.HTML
	// Data is the page's own struct.
	Data any
}

// put takes the rendered live parts.
func (f *frame) put(regions []region) {
	f.Regions = map[string]template.HTML{}
	for _, r := range regions {
		switch r.name {
		case regionMenu:
			f.Shell.Menu = r.html
		case regionFleet:
			f.Shell.Fleet = r.html
		default:
			f.Regions[r.name] = r.html
		}
	}
}

// document renders a whole page. A script of the page's own is the file that is named like it.
func (r *renderer) document(f frame) ([]byte, error) {
	f.Version = r.version
	if script := f.Page + "/" + f.Page + ".js"; r.assets.urls[script] != "" {
		f.Script = script
	}
	var b bytes.Buffer
	if err := r.templates.ExecuteTemplate(&b, "top", f); err != nil {
		return nil, fmt.Errorf("rendering %s: %w", f.Page, err)
	}
	if err := r.templates.ExecuteTemplate(&b, f.Page, f); err != nil {
		return nil, fmt.Errorf("rendering %s: %w", f.Page, err)
	}
	if err := r.templates.ExecuteTemplate(&b, "bottom", f); err != nil {
		return nil, fmt.Errorf("rendering %s: %w", f.Page, err)
	}
	return b.Bytes(), nil
}

// number writes a count with thin groups of three: 12,345.
func number(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// plural writes a count with its noun: plural 2 "problem" "problems".
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}

// moment writes a time so that it stays true without a script, which makes it relative to now.
func moment(t time.Time) template.HTML {
	if t.IsZero() {
		return "never"
	}
	t = t.UTC()
	return template.HTML(fmt.Sprintf(`<time datetime="%s">%s</time>`, t.Format(time.RFC3339), t.Format("2 Jan 2006 15:04:05 UTC"))) //nolint:gosec // made of digits
}

// kindName returns the kind of "Kind[.group]".
func kindName(kind string) string {
	name, _, _ := strings.Cut(kind, ".")
	return name
}

// dict hands several values to a template.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict takes names and values, and got %d", len(pairs))
	}
	d := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict takes names, and got %v", pairs[i])
		}
		d[name] = pairs[i+1]
	}
	return d, nil
}

// mebibytes writes a size.
func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
