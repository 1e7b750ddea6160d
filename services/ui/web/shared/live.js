// Keeps a page's events flowing while somebody can see it. HTTP/1.1 allows six
// connections to a host, so a hidden tab gives its own back.
const hiddenAfter = 10_000;

function say(state, word) {
  const line = document.getElementById("live-state");
  if (!line) return;
  line.dataset.state = state;
  line.querySelector(".live-word").textContent = word;
}

// A page whose subject is gone goes on showing it, so it says that.
function tellGone() {
  const notice = document.getElementById("notice");
  if (!notice) return;
  const banner = document.createElement("div");
  banner.className = "banner banner-unknown";
  const text = document.createElement("p");
  const strong = document.createElement("strong");
  strong.textContent = notice.dataset.gone ?? "This is not there any more.";
  text.append(strong, " What you see is how it was last.");
  banner.append(text);
  notice.replaceChildren(banner);
}

// The parts of the shell around a page ("data-live") are replaced here: they stand outside what the page's own events replace.
//
// PausingSource is an EventSource that sleeps while the page is hidden. The
// server sends what was missed, judging by the last event that was seen.
class PausingSource {
  #url; #source; #listeners = []; #last = ""; #closed = false; #timer;
  onopen; onerror;

  constructor(url) {
    this.#url = url;
    this.#connect();
    this.seen = () => this.#visibility();
    document.addEventListener("visibilitychange", this.seen);
  }

  get readyState() { return this.#source ? this.#source.readyState : EventSource.CONNECTING; }

  addEventListener(name, listener) {
    this.#listeners.push([name, listener]);
    this.#source?.addEventListener(name, listener);
  }

  removeEventListener(name, listener) {
    this.#listeners = this.#listeners.filter(([n, l]) => n !== name || l !== listener);
    this.#source?.removeEventListener(name, listener);
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    document.removeEventListener("visibilitychange", this.seen);
    this.#source?.close();
  }

  #connect() {
    const url = new URL(this.#url, location.href);
    if (this.#last) url.searchParams.set("have", this.#last);
    const source = new EventSource(url);
    const note = (event) => { if (event.lastEventId) this.#last = event.lastEventId; };
    source.onopen = (event) => { say("on", "Live"); this.onopen?.(event); };
    source.onerror = (event) => { say("off", "Reconnecting"); this.onerror?.(event); };
    for (const part of document.querySelectorAll("[data-live]")) {
      source.addEventListener(part.dataset.live, (event) => { note(event); Idiomorph.morph(part, event.data, { morphStyle: "innerHTML" }); });
    }
    for (const [name, listener] of this.#listeners) source.addEventListener(name, listener);
    for (const region of document.querySelectorAll("[sse-swap]")) source.addEventListener(region.getAttribute("sse-swap"), note);
    source.addEventListener("gone", () => { this.close(); say("gone", "Removed"); tellGone(); });
    this.#source = source;
  }

  #visibility() {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    if (document.hidden) {
      this.#timer = setTimeout(() => { this.#source.close(); this.#source = null; say("paused", "Paused"); }, hiddenAfter);
    } else if (!this.#source) {
      this.#connect();
    }
  }
}

htmx.createEventSource = (url) => new PausingSource(url);
// Without this a page that the browser takes out of its cache would keep a dead connection.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
