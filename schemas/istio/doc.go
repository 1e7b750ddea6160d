// Package istio says what Istio makes of names and of objects that stand beside each other: which Gateway a VirtualService
// names, which namespaces see an object, what is at a host, which DestinationRules and PeerAuthentications take effect.
//
// Everything here is pure, and knows no snapshot: callers read the objects, and bring what a rule asks for. So what one
// service finds and what another one draws cannot differ. Each rule names its source in Istio's repository.
package istio
