// Package istio lets Istio's own code judge what the translator writes. It is a
// module of its own, so that istio.io/istio stays out of Meshweir's.
//
// Every golden case of services/translator is judged, cluster by cluster: its
// objects go through Istio's validation and the schemas of its custom resources,
// and then into istiod's discovery server, from which each gateway and a sidecar
// get their listeners, routes and clusters. What must hold of all of them is
// checked for all; for what a case is about, requests are asked and their answers
// compared (see testdata/probes.yaml).
//
// Of insights' golden cases, what the checks of Gateways, mTLS modes and routes say
// is compared with what istiod makes of the same objects.
//
// The answers come from Istio's simulation of Envoy, which finds the listener,
// the filter chain and the virtual host, and from package envoy, which reads the
// routes. No Envoy runs here.
package istio
