package main

import (
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// id is what frames name the dictionary by.
const id = 0x6d770001

// Of the figures that were tried, these compress best for their size, also what is
// not in the recording: objects of other fleets, and the golden files of services.
const (
	variants    = 8
	size        = 40 << 10
	segmentSize = 512
)

// train makes a dictionary of what samples have in common. The same samples give the same bytes.
//
// It does not use klauspost/compress/dict, which is not deterministic: it picks among equals by the order of a map.
func train(samples [][]byte) ([]byte, error) {
	varied, err := vary(samples, variants)
	if err != nil {
		return nil, err
	}
	dictionary, err := zstd.BuildDict(zstd.BuildDictOptions{
		ID: id, Contents: varied, History: cover(varied, size, segmentSize), Offsets: [3]int{1, 4, 8}, Level: zstd.SpeedFastest,
	})
	if err != nil {
		return nil, fmt.Errorf("building the dictionary: %w", err)
	}
	return dictionary, nil
}
