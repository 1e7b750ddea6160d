package check

import (
	"github.com/meshweir/meshweir/schemas/insight"
	"github.com/meshweir/meshweir/services/insights/fleet"
)

// Table lists all checks, by code.
func Table() []Check {
	return []Check{
		{
			Code: "CFG0101", Severity: insight.Error, Title: "Route to a host that exists nowhere", Run: hostMissing,
			Subjects: []fleet.Input{fleet.VirtualServices, fleet.HTTPRoutes, fleet.GRPCRoutes},
			Inputs: []fleet.Input{
				fleet.VirtualServices, fleet.HTTPRoutes, fleet.GRPCRoutes, fleet.Services, fleet.ServiceEntries, fleet.GlobalServices,
				fleet.IstioGateways, fleet.Deployments, fleet.StatefulSets, fleet.DaemonSets, fleet.MeshConfigs, fleet.Clusters,
			},
			Why:    "Requests that take this route fail (503 in Istio, 500 in the Gateway API), though the route itself is accepted.",
			Closes: "a Service, ServiceEntry or GlobalService with the host is there and visible, or the route leads elsewhere",
		},
		{
			Code: "CFG0102", Severity: insight.Info, Title: "Routes that cannot be judged",
			Why:    "What these routes lead to is nowhere to be seen, and may be in a cluster that is not seen at the moment, or of a kind that an agent cannot read. Until that is over, CFG0101 neither opens nor closes for them.",
			Closes: "the clusters are seen, their agents read what routes lead to, or the routes lead elsewhere",
		},
		{
			Code: "CFG0103", Severity: insight.Error, Title: "Host or port claimed by two gateways", Run: hostClaimed,
			Subjects: []fleet.Input{fleet.IstioGateways},
			Inputs:   []fleet.Input{fleet.IstioGateways, fleet.Deployments, fleet.StatefulSets, fleet.DaemonSets},
			Why:      "Two Istio Gateways on the same proxies want the same host at the same port, or the port for something other than HTTP. The older one wins: with TLS, or where not both speak HTTP, the server of the younger one is left out; otherwise its routes come second.",
			Closes:   "only one of the Gateways has the host, or the port, or they select different proxies",
		},
		{
			Code: "CFG0104", Severity: insight.Error, Title: "Route of a gateway that is not there", Run: gatewayMissing,
			Subjects: []fleet.Input{fleet.VirtualServices, fleet.HTTPRoutes, fleet.GRPCRoutes},
			Inputs:   []fleet.Input{fleet.VirtualServices, fleet.HTTPRoutes, fleet.GRPCRoutes, fleet.IstioGateways, fleet.Gateways},
			Why:      "The route takes no request from that gateway, and nobody says so: whose controller a Gateway is that is not there, nobody knows, so that none writes a status.",
			Closes:   "the Gateway is there, or the route names another one",
		},
		{
			Code: "CFG0105", Severity: insight.Error, Title: "Gateway of a class that nobody offers", Run: classMissing,
			Subjects: []fleet.Input{fleet.Gateways}, Inputs: []fleet.Input{fleet.Gateways, fleet.GatewayClasses},
			Why:    "No controller takes the Gateway up: nothing is made of it and of the routes that name it, and nobody says so, because each leaves classes alone that are not its own.",
			Closes: "there is a GatewayClass of the name, or the Gateway names another class",
		},
		{
			Code: "CFG0106", Severity: insight.Error, Title: "Route to a subset that nobody declares", Run: subsetMissing,
			Subjects: []fleet.Input{fleet.VirtualServices},
			Inputs: []fleet.Input{
				fleet.VirtualServices, fleet.DestinationRules, fleet.Services, fleet.ServiceEntries, fleet.GlobalServices,
				fleet.IstioGateways, fleet.Deployments, fleet.StatefulSets, fleet.DaemonSets, fleet.MeshConfigs, fleet.Clusters,
			},
			Why:    "Requests that take this route fail (503, NC in the access log), and mirrored ones are lost, though host and route are accepted.",
			Closes: "a DestinationRule that counts for the clients of the route declares the subset, or the route names another one",
		},
		{
			Code: "CFG0117", Severity: insight.Warning, Title: "An output is changed by others again and again", Run: outputDrifts,
			Subjects: []fleet.Input{fleet.Reports}, Inputs: []fleet.Input{fleet.Reports},
			Why:    "Somebody or something else writes an object that Meshweir owns. Each time requests meet what neither side wants for a moment, and the other side never gets what it tries.",
			Closes: "the object was not changed by others for an hour",
		},
		{
			Code: "HLT0113", Severity: insight.Warning, Title: "Agent is silent", Run: agentSilent,
			Subjects: []fleet.Input{fleet.Clusters}, Inputs: []fleet.Input{fleet.Clusters, fleet.Agents},
			Why:    "What is known of the cluster is old, changes that are meant for it do not reach it, and what other insights say of it may no longer be so.",
			Closes: "the agent's heartbeat comes again and it can read its cluster, or the cluster is deregistered",
		},
		{
			Code: "SEC0109", Severity: insight.Warning, Title: "Workloads accept plaintext", Run: plaintext,
			Subjects: []fleet.Input{fleet.Deployments, fleet.StatefulSets, fleet.DaemonSets},
			Inputs: []fleet.Input{
				fleet.Deployments, fleet.StatefulSets, fleet.DaemonSets, fleet.Namespaces, fleet.PeerAuthentications, fleet.MeshConfigs,
			},
			Why:    "The effective mTLS mode of workloads in the mesh is PERMISSIVE or DISABLE: anybody who reaches them can talk to them without a certificate, unencrypted, and policies that ask for an identity find none.",
			Closes: "the mode that takes effect is STRICT",
		},
	}
}
