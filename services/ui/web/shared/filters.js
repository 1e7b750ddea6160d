// A filter without a value has no place in the address; how a table is sorted stays in it.
document.addEventListener("htmx:configRequest", (event) => {
  if (event.target.id !== "filters") return;
  const parameters = event.detail.parameters;
  parameters.sort = new URLSearchParams(location.search).get("sort") ?? "";
  for (const name of Object.keys(parameters)) if (parameters[name] === "") delete parameters[name];
});

// What a filter leaves is said aloud once; counts that change with the fleet are not.
document.addEventListener("htmx:afterSettle", (event) => {
  const found = document.getElementById("found");
  if (!found || event.detail.requestConfig?.elt?.id !== "filters") return;
  found.textContent = document.querySelector("#results .results-count")?.textContent ?? "";
});
