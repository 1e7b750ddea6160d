package pipelinetest

import (
	"slices"
	"time"
)

// Quantile returns the sample that a share q of the others, from 0 to 1, is below.
func Quantile(samples []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
