// Package web is the half of the ui that people see: pages, their JSON twins
// under /api, and server-sent events that keep both true.
//
// It reads view/* through a replica in memory ([mirror]), the heartbeats of the
// agents, and, on the page of one object, the body of that object. Nothing else,
// and it writes nothing.
//
// # Pages
//
// A page is a folder with its template, style and script, and a function that
// makes the page's struct from a [Fleet] and an [address]. The parts of a page
// that change while it is open are regions: templates named "page/region". The
// same code renders a region into the first response and, when the fleet
// changes, into the event that replaces it; viewers of one address share the work.
//
// Around every page stands the shell: the side navigation, whose entries are
// [sections] that pages belong to, and the bar. A page is added by its folder, its
// function, and a line in [Server.pages]; its script, where it has one, is
// "name/name.js". Tokens (colours, sizes) and components that pages share are in
// shared/*.css and shared/parts.tmpl.
//
// Scripts are small ES modules without a build step. Everything that a browser
// loads is embedded and named by its hash.
package web
