// "/" goes to the search, as in most tools of this kind: that of the page where it has one, else that of the bar.
addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select, textarea, [contenteditable]")) return;
  const field = [document.getElementById("q"), document.getElementById("quick")].find((f) => f?.checkVisibility());
  if (!field) return;
  event.preventDefault();
  field.select();
});
