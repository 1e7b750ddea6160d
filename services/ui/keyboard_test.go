package ui_test

import (
	"strings"
	"testing"
)

// key presses and releases a key, as a keyboard does.
func (b *browser) key(name string, code int, text string) {
	b.t.Helper()
	for _, kind := range []string{"keyDown", "keyUp"} {
		params := map[string]any{"type": kind, "key": name, "code": name, "windowsVirtualKeyCode": code}
		if kind == "keyDown" && text != "" {
			params["text"] = text
		}
		b.call("Input.dispatchKeyEvent", params, nil)
	}
}

func (b *browser) tab()   { b.t.Helper(); b.key("Tab", 9, "") }
func (b *browser) enter() { b.t.Helper(); b.key("Enter", 13, "\r") }

// focused says what has the focus: its text or name, and whether it can be seen that it has it. Behind the last
// stop the focus leaves the page for the browser's own buttons: nothing has it then.
func (b *browser) focused() (name string, visible bool) {
	b.t.Helper()
	got := b.eval(`(() => { const e = document.activeElement, s = getComputedStyle(e);
		if (e === document.body) return "|";
		const seen = s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0 && e.getBoundingClientRect().top >= 0;
		return (e.innerText || e.getAttribute("aria-label") || e.id || e.tagName).trim().split("\n")[0] + "|" + seen })()`)
	name, seen, _ := strings.Cut(got, "|")
	return name, seen == "true"
}

// TestKeyboardReachesEverything walks the dashboard without a mouse: where the focus is can be seen, it goes where
// the eye does, the menu of a narrow screen opens and closes, and links lead on.
func TestKeyboardReachesEverything(t *testing.T) {
	f := newFleet(t)
	b := startBrowser(t)
	b.size(1440, 900)
	b.colours("light")
	b.open(f.url + "/")
	b.await(`document.getElementById("live-state").dataset.state === "on"`)

	// The first stop skips to the content.
	b.tab()
	if name, visible := b.focused(); name != "Skip to content" || !visible {
		t.Fatalf("the first stop is %q, to be seen: %t", name, visible)
	}
	b.enter()
	b.await(`document.activeElement.id === "main" || location.hash === "#main"`)

	// From the top: the menu, in order, then the bar; each stop can be seen.
	b.open(f.url + "/clusters")
	b.await(`document.getElementById("live-state").dataset.state === "on"`)
	var stops []string
	for range 24 {
		b.tab()
		name, visible := b.focused()
		if name == "" {
			break
		}
		if !visible && name != "quick" {
			t.Errorf("it cannot be seen that %q has the focus", name)
		}
		stops = append(stops, name)
	}
	walk := strings.Join(stops, "\n")
	at := 0
	for _, want := range []string{"Skip to content", "Meshweir", "Overview", "Clusters", "Resources", "Insights", "quick", "Change between light and dark", "east", "west"} {
		i := strings.Index(walk[at:], want)
		if i < 0 {
			t.Fatalf("%q is not reached, or not in order:\n%s", want, walk)
		}
		at += i
	}

	// "/" goes to the search, and Enter searches.
	b.key("/", 191, "/")
	b.await(`document.activeElement.id === "quick"`)
	b.eval(`document.activeElement.value = "service-001"; true`)
	b.enter()
	b.await(`location.pathname === "/resources" && document.querySelectorAll("tbody tr").length === 1`)

	// The menu of a narrow screen opens, is walked, and closes with Escape, which gives the focus back.
	b.size(390, 844)
	b.open(f.url + "/")
	b.await(`document.getElementById("live-state").dataset.state === "on"`)
	b.tab()
	b.tab()
	if name, visible := b.focused(); name != "Menu" || !visible {
		t.Fatalf("the stop behind the skip link is %q, to be seen: %t; want the menu", name, visible)
	}
	b.enter()
	b.await(`document.getElementById("side").matches(":popover-open")`)
	b.key("Escape", 27, "")
	b.await(`!document.getElementById("side").matches(":popover-open") && document.activeElement.innerText.includes("Menu")`)
	b.enter()
	b.await(`document.getElementById("side").matches(":popover-open")`)
	for range 12 {
		if name, _ := b.focused(); strings.HasPrefix(name, "Clusters") {
			b.enter()
			b.await(`location.pathname === "/clusters"`)
			b.quiet()
			return
		}
		b.tab()
	}
	t.Error("the entries of the open menu are not reached")
}
