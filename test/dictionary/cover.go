package main

import "encoding/binary"

// mer is a string of merSize bytes.
type mer uint64

const merSize = 8

// cover chooses, of samples, size bytes that have as much as possible in common
// with all of them, the most useful last. It is the COVER algorithm, which zstd
// itself trains with (Liao, Petri, Moffat, Wirth: Effective Construction of
// Relative Lempel-Ziv Dictionaries, WWW 2016; zstd's lib/dictBuilder/cover.c): the corpus is cut into
// epochs; of each, the segment is taken whose mers, strings of eight bytes, occur in
// the most samples and are in no segment taken before. It depends on nothing but its arguments.
func cover(samples [][]byte, size, segment int) []byte {
	c := corpus{occurs: map[mer]int{}}
	for _, sample := range samples {
		c.add(sample)
	}
	const rounds = 4 // in how many rounds over the corpus the dictionary fills
	epochs := max(1, size/segment/rounds)
	length := max(segment, len(c.text)/epochs)
	dictionary := make([]byte, size)
	free := size
	for empty, epoch := 0, 0; free > 0 && empty < epochs; epoch++ {
		from := min(epoch%epochs*length, len(c.text))
		taken := c.take(c.best(from, min(from+length, len(c.text)), segment))
		if len(taken) < merSize {
			empty++
			continue
		}
		empty = 0
		taken = taken[max(0, len(taken)-free):]
		free -= len(taken)
		copy(dictionary[free:], taken)
	}
	return dictionary[free:]
}

// corpus is all samples in a row.
type corpus struct {
	text []byte
	// occurs counts the samples that a mer occurs in; those that were taken are gone.
	occurs map[mer]int
}

func (c *corpus) add(sample []byte) {
	begins := len(c.text)
	c.text = append(c.text, sample...)
	seen := map[mer]bool{}
	for i := begins; i+merSize <= len(c.text); i++ {
		if m := c.at(i); !seen[m] {
			seen[m] = true
			c.occurs[m]++
		}
	}
}

// at returns the mer that begins at i.
func (c *corpus) at(i int) mer { return mer(binary.LittleEndian.Uint64(c.text[i:])) }

// best returns the segment between two places whose distinct mers occur most.
func (c *corpus) best(from, to, segment int) (start, end int) {
	within := map[mer]int{}
	score, highest := 0, 0
	start, end = from, from
	for i := from; i+merSize <= to; i++ {
		entering := c.at(i)
		if within[entering]++; within[entering] == 1 {
			score += c.worth(entering)
		}
		if left := i + merSize - segment - 1; left >= from {
			leaving := c.at(left)
			if within[leaving]--; within[leaving] == 0 {
				score -= c.worth(leaving)
				delete(within, leaving)
			}
		}
		if score > highest {
			highest, start, end = score, max(from, i+merSize-segment), i+merSize
		}
	}
	return start, end
}

// worth is what a mer is worth: nothing when a single sample has it.
func (c *corpus) worth(m mer) int {
	if n := c.occurs[m]; n > 1 {
		return n
	}
	return 0
}

// take returns a segment, without what is worth nothing at its ends, and makes its mers worth nothing.
func (c *corpus) take(start, end int) []byte {
	for start+merSize <= end && c.worth(c.at(start)) == 0 {
		start++
	}
	for end-merSize >= start && c.worth(c.at(end-merSize)) == 0 {
		end--
	}
	for i := start; i+merSize <= end; i++ {
		delete(c.occurs, c.at(i))
	}
	return c.text[start:end]
}
