package cluster

import "time"

// Backoff returns how long an agent waits after the n-th failure in a row, n from 1.
func Backoff(n int) time.Duration {
	const first, most = 250 * time.Millisecond, 5 * time.Second
	return min(first<<min(n-1, 10), most)
}
