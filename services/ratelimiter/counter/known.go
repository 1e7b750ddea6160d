package counter

import (
	"hash/maphash"
	"sync/atomic"
)

// known remembers keys that have a time to live, by hash: a key that is mistaken for another is healed when its count
// says that it was new.
type known struct {
	seed maphash.Seed
	sets [][ways]atomic.Uint64
	mask uint64 // of the number of sets, a power of two
}

const ways = 4

func newKnown(keys int) *known {
	sets := 1
	for sets*ways < keys {
		sets *= 2
	}
	return &known{seed: maphash.MakeSeed(), sets: make([][ways]atomic.Uint64, sets), mask: uint64(sets) - 1}
}

func (k *known) hash(key []byte) uint64 { return maphash.Bytes(k.seed, key) | 1 }

func (k *known) has(hash uint64) bool {
	set := &k.sets[hash>>32&k.mask]
	for i := range set {
		if set[i].Load() == hash {
			return true
		}
	}
	return false
}

func (k *known) add(hash uint64) {
	set := &k.sets[hash>>32&k.mask]
	for i := range set {
		if set[i].Load() == 0 {
			set[i].Store(hash)
			return
		}
	}
	set[hash>>8%ways].Store(hash)
}
