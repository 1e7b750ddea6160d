package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// KindRateLimitPolicy is the kind of a [RateLimitPolicy].
const KindRateLimitPolicy = "RateLimitPolicy"

// Reasons of the conditions of a RateLimitPolicy, beside those of the Gateway API.
const (
	// ReasonNoLimiter is the reason of Programmed=False when the cluster has no Service of a rate limiter.
	ReasonNoLimiter = "NoLimiter"
	// ReasonNotAttached is the reason of Programmed=False when no Gateway of Meshweir serves what is limited.
	ReasonNotAttached = "NotAttached"
	// ReasonNoProxies is the reason of Programmed=False when it is not known where the Gateway's proxies are.
	ReasonNoProxies = "NoProxies"
)

// RateLimitPolicy limits how many requests pass, through a Gateway or by a route, in its own namespace and cluster.
//
// All policies of a route and of its Gateways count: they add up. None lifts the limits of another, so that whoever may write
// routes cannot do away with what protects the Gateway. A route that leads through several Gateways has one count for all of them.
//
// +kubebuilder:validation:XValidation:message="metadata.name must be at most 63 characters long",rule="size(self.metadata.name) <= 63"
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=rlp,categories=meshweir
// +kubebuilder:metadata:labels="gateway.networking.k8s.io/policy=Inherited"
// +kubebuilder:printcolumn:name="Target",type=string,JSONPath=`.spec.targetRefs[0].name`
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=`.status.ancestors[0].conditions[?(@.type=="Accepted")].status`
// +kubebuilder:printcolumn:name="Programmed",type=string,JSONPath=`.status.ancestors[0].conditions[?(@.type=="Programmed")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type RateLimitPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what the user wants.
	Spec RateLimitPolicySpec `json:"spec"`
	// Status is what the translator found, for each Gateway that the limits are in force at. Read only.
	// +optional
	Status gatewayv1.PolicyStatus `json:"status,omitzero"`
}

// RateLimitPolicySpec says what is limited, and how much of it may be.
// +kubebuilder:validation:XValidation:message="limits or raw must be set",rule="has(self.limits) || has(self.raw)"
type RateLimitPolicySpec struct {
	// TargetRefs are the Gateways, HTTPRoutes and GRPCRoutes whose requests are limited.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:message="targetRefs must name each target once",rule="self.all(t, self.exists_one(u, u.kind == t.kind && u.name == t.name && (has(u.sectionName) ? u.sectionName : '') == (has(t.sectionName) ? t.sectionName : '')))"
	TargetRefs []RateLimitTarget `json:"targetRefs"`
	// Limits are the limits. A request must be within each that it meets.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Limits []RateLimit `json:"limits,omitempty"`
	// Raw is for what limits cannot say.
	// +optional
	Raw *RawRateLimits `json:"raw,omitempty"`
	// OnError says what the gateway does with a request when the limiter does not answer it. Default: Allow.
	// +optional
	// +kubebuilder:default=Allow
	OnError GatewayFailure `json:"onError,omitempty"`
}

// GatewayFailure is what a gateway does when a service that should decide does not.
// +kubebuilder:validation:Enum=Allow;Deny
type GatewayFailure string

// What a gateway may do.
const (
	// FailureAllow lets the request pass.
	FailureAllow GatewayFailure = "Allow"
	// FailureDeny answers with 503.
	FailureDeny GatewayFailure = "Deny"
)

// RateLimitTarget names what is limited, in the policy's namespace.
type RateLimitTarget struct {
	// Group is the group of the target. Default: gateway.networking.k8s.io, and there is no other.
	// +optional
	// +kubebuilder:default=gateway.networking.k8s.io
	// +kubebuilder:validation:Enum=gateway.networking.k8s.io
	Group string `json:"group,omitempty"`
	// Kind is the kind of the target.
	// +required
	// +kubebuilder:validation:Enum=Gateway;HTTPRoute;GRPCRoute
	Kind string `json:"kind"`
	// Name is the name of the target.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// SectionName is the name of one listener of the Gateway, or of one rule of the route. Default: all of it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	SectionName string `json:"sectionName,omitempty"`
}

// RateLimit is how many requests pass in which time.
// +kubebuilder:validation:XValidation:message="exactly one of unit and period must be set",rule="has(self.unit) != has(self.period)"
// +kubebuilder:validation:XValidation:message="calendar goes with the units Day, Week, Month and Year, and not with the algorithm GCRA",rule="!has(self.calendar) || !self.calendar || (has(self.unit) && self.unit in ['Day', 'Week', 'Month', 'Year'] && (!has(self.algorithm) || self.algorithm != 'GCRA'))"
// +kubebuilder:validation:XValidation:message="burst goes with the algorithm GCRA only",rule="!has(self.burst) || (has(self.algorithm) && self.algorithm == 'GCRA')"
type RateLimit struct {
	// Name tells the limit apart, in metrics and in answers too.
	// +required
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:XValidation:message="the name raw is that of spec.raw",rule="self != 'raw'"
	Name string `json:"name"`
	// By is what is counted: each combination of values has a counter of its own. A request that lacks one of them is not limited.
	// Default (none): one counter for all.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	By []RateLimitKey `json:"by,omitempty"`
	// When are conditions; only a request that meets all of them is counted. Default (none): every request.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	When []RateLimitCondition `json:"when,omitempty"`
	// Requests is how many may pass in a period; 0 lets none pass.
	// +required
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=4294967295
	Requests int64 `json:"requests"`
	// Unit is the period, by name. A Month has 30 days and a Year 365, unless calendar says otherwise.
	// +optional
	Unit RateLimitUnit `json:"unit,omitempty"`
	// Period is the period, by length, such as "30s" or "5m": whole seconds.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]{1,9}(h|m|s))+$`
	// +kubebuilder:validation:XValidation:message="period must be at least 1s",rule="duration(self) >= duration('1s')"
	Period string `json:"period,omitempty"`
	// Calendar lets the unit begin where the calendar says, in UTC, a week on Monday. Default: spans of fixed length.
	// +optional
	Calendar bool `json:"calendar,omitempty"`
	// Algorithm is how requests are counted. Default: FixedWindow.
	// +optional
	// +kubebuilder:default=FixedWindow
	Algorithm RateLimitAlgorithm `json:"algorithm,omitempty"`
	// Burst is how many may come at once with the algorithm GCRA. Default: requests.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=4294967295
	Burst int64 `json:"burst,omitempty"`
	// Shadow counts and reports, and denies nothing.
	// +optional
	Shadow bool `json:"shadow,omitempty"`
	// OnError says what the limiter answers when its Redis does not answer in time: Allow, Deny, or Local, which counts in the limiter's memory.
	// Default: it answers with an error, and the policy's onError says what the gateway does.
	// +optional
	OnError LimiterFailure `json:"onError,omitempty"`
}

// RateLimitUnit is a period with a name.
// +kubebuilder:validation:Enum=Second;Minute;Hour;Day;Week;Month;Year
type RateLimitUnit string

// RateLimitAlgorithm is a way to count.
// +kubebuilder:validation:Enum=FixedWindow;SlidingWindow;GCRA
type RateLimitAlgorithm string

// The ways to count.
const (
	// FixedWindow counts in periods, one after another.
	FixedWindow RateLimitAlgorithm = "FixedWindow"
	// SlidingWindow weighs the count of the last period by how much of it is within one period from now.
	SlidingWindow RateLimitAlgorithm = "SlidingWindow"
	// GCRA spaces requests evenly and allows bursts.
	GCRA RateLimitAlgorithm = "GCRA"
)

// LimiterFailure is what the limiter answers when its Redis does not answer in time.
// +kubebuilder:validation:Enum=Allow;Deny;Local
type LimiterFailure string

// RateLimitKeyType is a kind of thing that a request has, by which it is counted or chosen.
type RateLimitKeyType string

// The things that a request has.
const (
	// KeyHeader is a header.
	KeyHeader RateLimitKeyType = "Header"
	// KeyClaim is a claim of the token that a RequestAuthentication of Istio has verified; one whose value is a text.
	KeyClaim RateLimitKeyType = "Claim"
	// KeyRemoteAddress is the client's address, as the gateway trusts it.
	KeyRemoteAddress RateLimitKeyType = "RemoteAddress"
	// KeyIdentity is who the caller is, as external authorization says.
	KeyIdentity RateLimitKeyType = "Identity"
	// KeyPlan is the caller's usage plan, as external authorization says.
	KeyPlan RateLimitKeyType = "Plan"
	// KeyPath is the path, without the query.
	KeyPath RateLimitKeyType = "Path"
	// KeyMethod is the method.
	KeyMethod RateLimitKeyType = "Method"
	// KeyQuery is a parameter of the query.
	KeyQuery RateLimitKeyType = "Query"
	// KeyConstant is a name and a value that the policy gives, for who reads counters and metrics.
	KeyConstant RateLimitKeyType = "Constant"
)

// RateLimitKey is something by which requests are counted.
// +kubebuilder:validation:XValidation:message="name goes with the types Header, Claim, Query and Constant, and is needed there",rule="has(self.name) == (self.type in ['Header', 'Claim', 'Query', 'Constant'])"
// +kubebuilder:validation:XValidation:message="value goes with the type Constant, and is needed there",rule="has(self.value) == (self.type == 'Constant')"
type RateLimitKey struct {
	// Type is what it is.
	// +required
	// +kubebuilder:validation:Enum=Header;Claim;RemoteAddress;Identity;Plan;Path;Method;Query;Constant
	Type RateLimitKeyType `json:"type"`
	// Name is the name of the header, claim, parameter or constant.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Name string `json:"name,omitempty"`
	// Value is the value of the constant.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Value string `json:"value,omitempty"`
}

// RateLimitCondition is something that a request must have.
// +kubebuilder:validation:XValidation:message="name goes with the types Header, Claim and Query, and is needed there",rule="has(self.name) == (self.type in ['Header', 'Claim', 'Query'])"
// +kubebuilder:validation:XValidation:message="value must be set, but not with the match Present",rule="has(self.value) == (!has(self.match) || self.match != 'Present')"
// +kubebuilder:validation:XValidation:message="a Claim, Identity or Plan is compared by the limiter, which knows Exact, Prefix and Present, and no not",rule="!(self.type in ['Claim', 'Identity', 'Plan']) || ((!has(self.match) || self.match != 'Regex') && (!has(self.not) || !self.not))"
// +kubebuilder:validation:XValidation:message="the value of a Claim, Identity or Plan must have no \"*\"",rule="!(self.type in ['Claim', 'Identity', 'Plan']) || !has(self.value) || !self.value.contains('*')"
type RateLimitCondition struct {
	// Type is what is compared.
	// +required
	// +kubebuilder:validation:Enum=Header;Claim;Identity;Plan;Path;Method;Query
	Type RateLimitKeyType `json:"type"`
	// Name is the name of the header, claim or parameter.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Name string `json:"name,omitempty"`
	// Match is how it is compared. Default: Exact.
	// +optional
	// +kubebuilder:default=Exact
	Match RateLimitMatch `json:"match,omitempty"`
	// Value is what it is compared with. Regex is an RE2 expression for the whole of it; the Prefix of a Path ends where an element of it does.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Value string `json:"value,omitempty"`
	// Not lets only requests count that do not match.
	// +optional
	Not bool `json:"not,omitempty"`
}

// RateLimitMatch is a way to compare.
// +kubebuilder:validation:Enum=Exact;Prefix;Regex;Present
type RateLimitMatch string

// The ways to compare.
const (
	MatchExact   RateLimitMatch = "Exact"
	MatchPrefix  RateLimitMatch = "Prefix"
	MatchRegex   RateLimitMatch = "Regex"
	MatchPresent RateLimitMatch = "Present"
)

// RawRateLimits are rules of the limiter and actions of Envoy as they are. What the actions make of a request never meets the
// rules of another policy.
// +kubebuilder:validation:XValidation:message="descriptors or setDescriptors must be set",rule="has(self.descriptors) || has(self.setDescriptors)"
type RawRateLimits struct {
	// Descriptors are rules in the words of envoyproxy/ratelimit.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:XPreserveUnknownFields
	Descriptors []runtime.RawExtension `json:"descriptors,omitempty"`
	// SetDescriptors are rules for descriptors whose entries come in any order and beside others.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:XPreserveUnknownFields
	SetDescriptors []runtime.RawExtension `json:"setDescriptors,omitempty"`
	// RateLimits are what the gateway makes descriptors of: Envoy's envoy.config.route.v3.RateLimit, each with its actions.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:XPreserveUnknownFields
	RateLimits []runtime.RawExtension `json:"rateLimits"`
}

// RateLimitPolicyList is a list of RateLimitPolicies.
// +kubebuilder:object:root=true
type RateLimitPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	// Items are the RateLimitPolicies.
	Items []RateLimitPolicy `json:"items"`
}
