// Package devgateway holds the tests of the development gateway with what other services make: the golden outputs of the
// translator, asked what Istio's code is asked in test/istio, and the whole product with requests that go through it.
package devgateway
