package istio_test

import (
	"strings"
	"testing"

	networking "istio.io/api/networking/v1alpha3"
	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/test/istio/envoy"
)

// checkFilter judges an object that is an EnvoyFilter by Envoy's protos.
func checkFilter(o object) error {
	if o.head().Kind != "EnvoyFilter" {
		return nil
	}
	cfg, err := toConfig(o)
	if err != nil {
		return err
	}
	return envoy.CheckFilter(cfg.Spec.(*networking.EnvoyFilter))
}

// goodFilter limits rates at a gateway: a filter is added, and a route says what is counted.
const goodFilter = `
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {namespace: istio-ingress, name: limits}
spec:
  configPatches:
  - applyTo: HTTP_FILTER
    match: {context: GATEWAY, listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager}}}}
    patch:
      operation: INSERT_FIRST
      value:
        name: limits
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit
          domain: shop
          timeout: 0.02s
          rate_limit_service: {transport_api_version: V3, grpc_service: {envoy_grpc: {cluster_name: limiter}}}
  - applyTo: HTTP_ROUTE
    match: {context: GATEWAY}
    patch:
      operation: MERGE
      value:
        typed_per_filter_config:
          limits:
            "@type": type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute
            rate_limits: [{actions: [{generic_key: {descriptor_value: shop}}]}]
  - applyTo: NETWORK_FILTER
    match: {context: GATEWAY}
    patch: {operation: REMOVE}
`

// TestEnvoyFiltersAreJudgedByEnvoysProtos proves that the judge lets a good one pass, and sees what is wrong wherever it is.
func TestEnvoyFiltersAreJudgedByEnvoysProtos(t *testing.T) {
	for _, test := range []struct{ name, old, broken, want string }{
		{"good", "", "", ""},
		{"a type that Envoy lacks", "ratelimit.v3.RateLimit\n", "ratelimit.v3.RateLimits\n", "RateLimits"},
		{"a field that the type lacks", "domain: shop", "domains: shop", `"domains"`},
		{"a field that the object lacks", "name: limits\n        typed", "nam: limits\n        typed", `"nam"`},
		{"a rule of the object", "name: limits\n        typed", "name: \"\"\n        typed", "HttpFilter.Name"},
		{"a rule of the Any", "domain: shop", "domain: \"\"", "RateLimit.Domain"},
		{"a rule deep in the Any", "cluster_name: limiter", "cluster_name: \"\"", "ClusterName"},
		{"a rule of an Any that is merged", "descriptor_value: shop", "descriptor_value: \"\"", "DescriptorValue"},
		{
			"a type that hides another", "envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute\n            rate_limits: [{actions: [{generic_key: {descriptor_value: shop}}]}]",
			"google.protobuf.Struct\n            value: {a: b}", "google.protobuf.Struct has no rules",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := strings.Replace(goodFilter, test.old, test.broken, 1)
			if test.want != "" && text == goodFilter {
				t.Fatal("the case breaks nothing")
			}
			var o object
			if err := yaml.Unmarshal([]byte(text), &o); err != nil {
				t.Fatal(err)
			}
			err := checkFilter(o)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}
