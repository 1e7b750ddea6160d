package ui_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
)

// browser is a Chromium that is driven over the DevTools protocol, by the pipe
// that --remote-debugging-pipe opens: JSON messages that end with a zero byte.
type browser struct {
	t *testing.T
	*wire
}

// wire is the connection to a browser.
type wire struct {
	in      io.Writer
	session string

	mu      sync.Mutex // guards what follows
	last    int
	answers map[int]chan answer
	// complaints are console errors, exceptions and what the page's policy forbade.
	complaints []string
}

type answer struct {
	Result json.RawMessage
	Error  *struct{ Message string }
}

// startBrowser starts a Chromium with one empty page. The test is left out where there is none.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	program := pipelinetest.Require(t, "chromium")
	profile, err := os.MkdirTemp("", "mw-chromium-")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--hide-scrollbars", "--remote-debugging-pipe", "--user-data-dir="+profile, "about:blank")
	theirIn, ourIn, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ourOut, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{theirIn, theirOut} // its descriptors 3 and 4
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirIn.Close()
	theirOut.Close()
	b := &browser{t, &wire{in: ourIn, answers: map[int]chan answer{}}}
	read := make(chan struct{})
	go func() { defer close(read); b.read(ourOut) }()
	t.Cleanup(func() {
		ourIn.Close() // Chromium ends with the pipe
		ended := time.AfterFunc(5*time.Second, stop)
		cmd.Wait() //nolint:errcheck // how it ended does not matter
		ended.Stop()
		stop()
		<-read
		ourOut.Close()
		for range 20 { // its children may still be writing
			if os.RemoveAll(profile) == nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var session struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &session)
	b.session = session.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

func (b *wire) read(out io.Reader) {
	r := bufio.NewReader(out)
	for {
		text, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var m struct {
			ID     int
			Method string
			Params json.RawMessage
			answer
		}
		if json.Unmarshal(text[:len(text)-1], &m) != nil {
			continue
		}
		b.mu.Lock()
		if wait := b.answers[m.ID]; m.ID != 0 && wait != nil {
			delete(b.answers, m.ID)
			wait <- m.answer
		}
		switch m.Method {
		case "Log.entryAdded", "Runtime.exceptionThrown":
			if !strings.Contains(string(m.Params), `"level":"info"`) && !strings.Contains(string(m.Params), `"level":"verbose"`) {
				b.complaints = append(b.complaints, string(m.Params))
			}
		case "Runtime.consoleAPICalled":
			if strings.Contains(string(m.Params), `"type":"error"`) {
				b.complaints = append(b.complaints, string(m.Params))
			}
		}
		b.mu.Unlock()
	}
}

// call calls a method of the protocol and decodes its result, unless that is nil.
func (b *browser) call(method string, params, result any) {
	b.t.Helper()
	if err := b.try(method, params, result); err != nil {
		b.t.Fatalf("calling %s: %v", method, err)
	}
}

// try is call, whose error is that of the browser.
func (b *browser) try(method string, params, result any) error {
	b.t.Helper()
	wait := make(chan answer, 1)
	b.mu.Lock()
	b.last++
	message := map[string]any{"id": b.last, "method": method, "params": params}
	if params == nil {
		delete(message, "params")
	}
	if b.session != "" {
		message["sessionId"] = b.session
	}
	b.answers[b.last] = wait
	b.mu.Unlock()
	text, err := json.Marshal(message)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.in.Write(append(text, 0)); err != nil {
		b.t.Fatalf("calling %s: %v", method, err)
	}
	select {
	case a := <-wait:
		if a.Error != nil {
			return errors.New(a.Error.Message)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(a.Result, result)
	case <-time.After(time.Minute):
		return errors.New("no answer")
	}
}

// eval returns the value of an expression, as JSON decoded into text.
func (b *browser) eval(expression string) string {
	b.t.Helper()
	got, err := b.tryEval(expression)
	if err != nil {
		b.t.Fatalf("evaluating %s: %v", expression, err)
	}
	return got
}

// tryEval is eval, where the page may be on its way to another.
func (b *browser) tryEval(expression string) (string, error) {
	b.t.Helper()
	var got struct {
		Result           struct{ Value any }
		ExceptionDetails *struct{ Text string }
	}
	err := b.try("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &got)
	if err == nil && got.ExceptionDetails != nil {
		err = errors.New(got.ExceptionDetails.Text)
	}
	return fmt.Sprint(got.Result.Value), err
}

// await waits until an expression is true.
func (b *browser) await(expression string) {
	b.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		if got, err := b.tryEval(expression); err == nil && got == "true" {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("waited in vain for %s; the page is at %s and says:\n%s", expression, b.eval("location.href"), b.eval("document.body.innerText"))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// open opens a page and waits until it is live.
func (b *browser) open(url string) {
	b.t.Helper()
	b.call("Page.navigate", map[string]any{"url": url}, nil)
	b.await(`document.readyState === "complete" && location.href.startsWith(` + fmt.Sprintf("%q", url) + `)`)
}

// size makes the page as wide and high as a screen.
func (b *browser) size(width, height int) {
	b.t.Helper()
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}, nil)
}

// colours makes the page believe that the reader prefers "light" or "dark".
func (b *browser) colours(scheme string) {
	b.t.Helper()
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{
		{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"},
	}}, nil)
}

// as is the same browser, for a subtest.
func (b *browser) as(t *testing.T) *browser {
	t.Helper()
	return &browser{t: t, wire: b.wire}
}

// quiet fails the test if the page complained.
func (b *browser) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.complaints {
		b.t.Errorf("the browser complains: %s", c)
	}
	b.complaints = nil
}
