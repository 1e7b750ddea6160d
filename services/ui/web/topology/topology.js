// Shows, while a box has the pointer or the focus, the ways to and from it.
const ways = { from: "to", to: "from" };

function reach(svg, id, side, found) {
  for (const line of svg.querySelectorAll(`[data-${side}="${CSS.escape(id)}"]`)) {
    found.add(line);
    const next = line.dataset[ways[side]];
    const box = svg.querySelector(`[data-node="${CSS.escape(next)}"]`);
    if (!box || found.has(box)) continue;
    found.add(box);
    reach(svg, next, side, found);
  }
}

function show(box) {
  const svg = box.ownerSVGElement;
  const found = new Set([box]);
  reach(svg, box.dataset.node, "from", found);
  reach(svg, box.dataset.node, "to", found);
  hide();
  svg.classList.add("graph-of");
  for (const part of found) part.classList.add(part === box || part.dataset.node ? "box-of" : "edge-of");
}

function hide() {
  document.querySelector(".graph-of")?.classList.remove("graph-of");
  for (const part of document.querySelectorAll(".box-of, .edge-of")) part.classList.remove("box-of", "edge-of");
}

for (const [begin, end] of [["pointerover", "pointerout"], ["focusin", "focusout"]]) {
  document.addEventListener(begin, (event) => {
    const box = event.target.closest?.("[data-node]");
    if (box && (begin !== "pointerover" || event.pointerType === "mouse")) show(box);
  });
  document.addEventListener(end, (event) => { if (event.target.closest?.("[data-node]")) hide(); });
}
