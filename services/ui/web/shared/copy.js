// Buttons that copy: data-copy names the element whose text they take, or "command" for the code beside them.
// The clipboard is there on secure origins only; where it is not, neither are the buttons.
function show() {
  for (const button of document.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
}

if (navigator.clipboard) {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const from = button.dataset.copy === "command" ? button.parentElement.querySelector("code") : document.querySelector(button.dataset.copy);
    const word = button.querySelector(".copy-word");
    if (!from || !word) return;
    word.textContent = await navigator.clipboard.writeText(from.textContent).then(() => "Copied", () => "Not allowed");
    setTimeout(() => { word.textContent = "Copy"; }, 1500);
  });
  show();
  for (const change of ["htmx:sseMessage", "htmx:afterSwap"]) document.addEventListener(change, show);
}
