const button = document.getElementById("copy");
// The clipboard is there on secure origins only; where it is not, neither is the button.
if (button && navigator.clipboard) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const code = document.getElementById("yaml");
    if (!code) return;
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}
