// Shows times relative to now, with the time itself as the title. The server
// writes them absolute, which is true without a script and at any age of the page.
const steps = [[60, "second", 1], [3600, "minute", 60], [86_400, "hour", 3600], [86_400 * 45, "day", 86_400], [Infinity, "month", 86_400 * 30]];
const words = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "short" });

function relative(element, now) {
  const at = Date.parse(element.dateTime);
  if (Number.isNaN(at)) return;
  element.title ||= element.textContent;
  const age = Math.max(0, (now - at) / 1000);
  const [, unit, seconds] = steps.find(([limit]) => age < limit);
  const text = age < 2 ? "just now" : words.format(-Math.floor(age / seconds), unit);
  if (element.textContent !== text) element.textContent = text;
}

function all() {
  const now = Date.now();
  for (const element of document.querySelectorAll("time[datetime]")) relative(element, now);
}

all();
setInterval(() => { if (!document.hidden) all(); }, 1000);
document.addEventListener("htmx:sseMessage", all);
document.addEventListener("htmx:afterSwap", all);
document.addEventListener("visibilitychange", () => { if (!document.hidden) all(); });
