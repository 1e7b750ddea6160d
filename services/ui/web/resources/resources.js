// The address tells how the table is sorted. A filter without a value has no place in it.
document.addEventListener("htmx:configRequest", (event) => {
  if (event.target.id !== "filters") return;
  const parameters = event.detail.parameters;
  parameters.sort = new URLSearchParams(location.search).get("sort") ?? "";
  for (const name of Object.keys(parameters)) if (parameters[name] === "") delete parameters[name];
});
