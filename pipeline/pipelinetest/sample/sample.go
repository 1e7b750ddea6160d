// Package sample makes Kubernetes objects of templates, such as those in testdata/objects of package keyspace:
// each gets ids, hashes, addresses and times of its own.
package sample

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fill makes an object of a template. fixed are placeholders and what stands in their places, in turns, such as "{NAME}", "cart";
// all others are random. The same r fills a template in the same way.
func Fill(template string, r *rand.Rand, fixed ...string) string {
	digits := func(n int, alphabet string) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = alphabet[r.IntN(len(alphabet))]
		}
		return string(b)
	}
	const hexadecimal, names = "0123456789abcdef", "bcdfghjklmnpqrstvwxz2456789"
	uuid := func() string {
		return strings.Join([]string{digits(8, hexadecimal), digits(4, hexadecimal), digits(4, hexadecimal), digits(4, hexadecimal), digits(12, hexadecimal)}, "-")
	}
	address := fmt.Sprintf("%d.%d.%d", r.IntN(256), r.IntN(256), 1+r.IntN(254))
	return strings.NewReplacer(append(slices.Clip(fixed), // the first of equals counts
		"{HASH}", digits(10, names), "{POD}", digits(5, names), "{UID}", uuid(), "{OWNER}", uuid(),
		"{IP}", "10."+address, "{NODE}", "ip-10-"+strings.ReplaceAll(address, ".", "-")+".eu-west-1.compute.internal",
		"{VERSION}", fmt.Sprintf("%d.%d.%d", r.IntN(9), r.IntN(40), r.IntN(20)), "{NUMBER}", strconv.Itoa(1e8+r.IntN(9e8)),
		"{TIME}", time.Unix(1.76e9+r.Int64N(3e7), 0).UTC().Format(time.RFC3339), "{DIGEST}", digits(64, hexadecimal), "{DIGEST2}", digits(64, hexadecimal),
	)...).Replace(template)
}
