package ui_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// screen is a page as somebody looks at it.
type screen struct {
	name string
	// path is its address, says a text that it shows.
	path, says string
	// expects is a cluster that is registered first, and never seen.
	expects string
}

// screens returns what TestScreens looks at. A new page needs a line here and nothing else.
func screens() []screen {
	return []screen{
		{name: "overview", path: "/", says: "west"},
		{name: "clusters", path: "/clusters", says: "west"},
		{name: "cluster", path: "/clusters/east", says: "uid-east"},
		{name: "resources", path: "/resources?q=service-00", says: "service-001"},
		{name: "topology", path: "/topology", says: "cart"},
		{name: "topology, nothing found", path: "/topology?host=nothing-like-it", says: "Nothing matches"},
		{name: "policies", path: "/policies", says: "By route"},
		{name: "policies of a route", path: "/policies/east/HTTPRoute.gateway.networking.k8s.io/shop/cart", says: "On the way of a request"},
		{name: "policies of an output", path: "/policies/west/VirtualService.networking.istio.io/ingress/cart", says: "only-members"},
		{name: "pipeline", path: "/pipeline", says: "undecodable"},
		{name: "dead letter", path: "/pipeline/dead-letters/ui/" + deadLetter, says: "Drop it"},
		{name: "resources, nothing found", path: "/resources?q=nothing-like-it", says: "Nothing matches"},
		{name: "resource written by hand", path: "/resources/east/HTTPRoute.gateway.networking.k8s.io/shop/cart", says: "cart.example"},
		{name: "resource written by Meshweir", path: "/resources/west/VirtualService.networking.istio.io/ingress/cart", says: "Written by Meshweir"},
		{name: "insights", path: "/insights", says: "exists nowhere"},
		{name: "insight", path: "/insights/CFG0101/west/VirtualService.networking.istio.io/ingress/cart%23reviews", says: "kubectl get services"},
		// From here on north is expected: what a route leads to may be there.
		{name: "cluster, never seen", path: "/clusters/north", says: "register north --create-user", expects: "north"},
		{name: "overview, one never seen", path: "/", says: "How to connect it"},
		{name: "clusters, one never seen", path: "/clusters", says: "How to connect it"},
		{name: "topology, one never seen", path: "/topology", says: "It may be there"},
		{name: "nothing there", path: "/clusters/nowhere", says: "There is nothing here"},
	}
}

// shots asks TestScreens to keep what it sees: -shots=DIRECTORY.
var shots = flag.String("shots", "", "the directory to which TestScreens writes pictures of the screens; empty for none")

// TestScreens looks at every screen at the widths of a telephone and of a desk, in light and in dark colours: nothing reaches
// beyond the screen, the console stays empty, and axe finds nothing that keeps people out.
func TestScreens(t *testing.T) {
	f := newFleet(t)
	b := startBrowser(t)
	axe := readAxe(t)
	for _, s := range screens() {
		t.Run(s.name, func(t *testing.T) {
			b := b.as(t)
			if s.expects != "" {
				f.register(s.expects)
			}
			b.open(f.url + s.path)
			b.await(`document.body.innerText.includes(` + fmt.Sprintf("%q", s.says) + `)`)
			b.await(`["on", undefined].includes(document.getElementById("live-state")?.dataset.state)`)
			b.eval(axe + "; true")
			for _, width := range []int{390, 1440} {
				b.size(width, 900)
				if got := b.eval(`document.documentElement.scrollWidth <= innerWidth`); got != "true" {
					t.Errorf("it is wider than a screen of %d px", width)
				}
				for _, colours := range []string{"light", "dark"} {
					b.colours(colours)
					if *shots != "" {
						b.shoot(filepath.Join(*shots, fmt.Sprintf("%s-%d-%s.png", strings.ReplaceAll(s.name, " ", "-"), width, colours)))
					}
					for _, violation := range b.axe() {
						t.Errorf("at %d px, %s: %s", width, colours, violation)
					}
				}
			}
			if strings.HasPrefix(s.name, "nothing there") {
				return // the console names every answer that is an error
			}
			b.quiet()
		})
	}
}

// shoot writes a picture of the whole page.
func (b *browser) shoot(file string) {
	b.t.Helper()
	var shot struct{ Data []byte }
	b.call("Page.captureScreenshot", map[string]any{"captureBeyondViewport": true}, &shot)
	if err := os.WriteFile(file, shot.Data, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// readAxe returns axe-core, which is as its README says.
func readAxe(t *testing.T) string {
	t.Helper()
	script, err := os.ReadFile("testdata/axe/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("testdata/axe/README.md")
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(script); !strings.Contains(string(readme), hex.EncodeToString(sum[:])) {
		t.Fatalf("axe.min.js, SHA-256 %x, is not as its README says", sum)
	}
	return string(script)
}

// axe returns what axe, which the page has, finds: for each rule and element a line.
func (b *browser) axe() []string {
	b.t.Helper()
	var found []string
	text := b.eval(`axe.run(document, {resultTypes: ["violations"]}).then((r) => JSON.stringify(
		r.violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.target.join(" ") + ": " + n.failureSummary))))`)
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		b.t.Fatalf("reading what axe found: %v: %s", err, text)
	}
	return found
}
