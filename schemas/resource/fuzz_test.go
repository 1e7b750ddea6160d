package resource

import (
	"errors"
	"strings"
	"testing"
)

// A text that is read as a key is what the key prints, and no part of it runs over into the next.
func FuzzParseKey(f *testing.F) {
	for _, seed := range []string{"Pod/a/b", "HTTPRoute.gateway.networking.k8s.io/a/b", "Namespace//a", "", "/", "//", "//a", "A./b/c", "A../b/c", ".a/b/c", "A/b/", "A/b/c/d", "A/b/\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParseKey(text)
		if err != nil {
			if !errors.Is(err, ErrKey) || k != (Key{}) {
				t.Errorf("got %+v, %v, want ErrKey and no key", k, err)
			}
			return
		}
		if k.String() != text || k.Kind == "" || k.Name == "" {
			t.Errorf("%q is read as %+v, which prints as %q", text, k, k)
		}
		if strings.ContainsAny(k.Kind, "./") || strings.Contains(k.Group+k.Namespace+k.Name, "/") {
			t.Errorf("%q is read as %+v", text, k)
		}
		if again, err := ParseKey(k.String()); err != nil || again.Compare(k) != 0 {
			t.Errorf("%q is read again as %+v, %v", k, again, err)
		}
	})
}

// The host of a Service leads back to it; whatever else counts as the host of one is spelt as it.
func FuzzServiceOf(f *testing.F) {
	for _, seed := range []string{"cart.shop.svc.cluster.local", "svc.cluster.local", "..svc.cluster.local", "a.b.c.svc.cluster.local", "*.a.svc.cluster.local", "a.*.svc.cluster.local", "a"} {
		f.Add(seed, "cart", "shop")
	}
	f.Fuzz(func(t *testing.T, host, name, namespace string) {
		if space, short, ok := ServiceOf(host); ok && (ServiceHost(space, short) != host || FullHost(host, namespace) != host) {
			t.Errorf("%q is read as %s/%s, whose host is %q", host, space, short, ServiceHost(space, short))
		}
		if name == "" || namespace == "" || strings.ContainsAny(name+namespace, ".*") {
			return // no names of a Service
		}
		full := ServiceHost(namespace, name)
		if space, short, ok := ServiceOf(full); !ok || space != namespace || short != name || FullHost(name, namespace) != full {
			t.Errorf("the host %q of %s/%s is read as %s/%s, %t", full, namespace, name, space, short, ok)
		}
	})
}
