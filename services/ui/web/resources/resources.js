// "/" goes to the search, as in most tools of this kind.
addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select, textarea")) return;
  event.preventDefault();
  document.getElementById("q").select();
});

// The address tells how the table is sorted. A filter without a value has no place in it.
document.addEventListener("htmx:configRequest", (event) => {
  if (event.target.id !== "filters") return;
  const parameters = event.detail.parameters;
  parameters.sort = new URLSearchParams(location.search).get("sort") ?? "";
  for (const name of Object.keys(parameters)) if (parameters[name] === "") delete parameters[name];
});
