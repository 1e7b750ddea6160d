package keyspace

import (
	"bytes"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"
)

// The first byte of an envelope names its codec. Binary envelopes go on with
// the revision (uvarint), the hash (8 bytes, little endian) and the body; a
// plain one is a JSON object, which starts with '{' by itself.
const (
	codecZstd  = 'z'
	codecRaw   = 'r'
	codecPlain = '{'
	// codecUnreadable stands in memory for what could not be read.
	codecUnreadable = 0
)

// maxValue bounds what a damaged envelope can make a reader allocate, in bytes.
const maxValue = 64 << 20

// dictionaryV1 is a zstd dictionary trained on pruned Kubernetes objects
// (`go generate ./pipeline/keyspace`). Frames name their dictionary by id, so a
// second version is added beside it and old values stay readable.
//
//go:generate go run ../../test/dictionary -out dictionary/v1.zstd-dict
//go:embed dictionary/v1.zstd-dict
var dictionaryV1 []byte

type codec struct {
	plain bool
	zstd  *compressor
}

// compressor is shared by all stores: its encoder and decoder are safe for
// concurrent EncodeAll and DecodeAll, and each costs megabytes.
type compressor struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
	// scratch holds *[]byte to compress into, so that what is kept of a value is of its exact size.
	scratch sync.Pool
}

//nolint:gochecknoglobals // the tables of a dictionary are the same for all stores
var zstdCodec = sync.OnceValues(func() (*compressor, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderDict(dictionaryV1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2))
	if err != nil {
		return nil, fmt.Errorf("loading the value dictionary: %w", err)
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderDicts(dictionaryV1), zstd.WithDecoderMaxMemory(maxValue))
	if err != nil {
		return nil, fmt.Errorf("loading the value dictionary: %w", err)
	}
	return &compressor{encoder: encoder, decoder: decoder, scratch: sync.Pool{New: func() any { return new([]byte) }}}, nil
})

func newCodec(plain bool) (*codec, error) {
	shared, err := zstdCodec()
	if err != nil {
		return nil, err
	}
	return &codec{plain: plain, zstd: shared}, nil
}

func (c *compressor) compress(value []byte) []byte {
	scratch := c.scratch.Get().(*[]byte)
	defer c.scratch.Put(scratch)
	*scratch = c.encoder.EncodeAll(value, (*scratch)[:0])
	return bytes.Clone(*scratch)
}

// sealed is a value ready to be written, but for the revision.
type sealed struct {
	hash  uint64
	codec byte
	body  []byte
}

// seal compresses a value. A plain codec keeps JSON as it is; what is not JSON,
// is so deep that it is none within another, or has space around it, which JSON in JSON loses, is kept raw.
func (c *codec) seal(value []byte, hash uint64) sealed {
	switch {
	case !c.plain:
		return sealed{hash, codecZstd, c.zstd.compress(value)}
	case json.Valid(value) && json.Valid(fmt.Appendf(nil, "[%s]", value)) && len(bytes.TrimSpace(value)) == len(value):
		return sealed{hash, codecPlain, bytes.Clone(value)}
	default:
		return sealed{hash, codecRaw, bytes.Clone(value)}
	}
}

func hashOf(value []byte) uint64 { return xxhash.Sum64(value) }

type plainEnvelope struct {
	Revision uint64          `json:"revision"`
	Hash     uint64          `json:"hash,string"`
	Value    json.RawMessage `json:"value"`
}

// envelope returns what is stored in Redis for a value written at revision.
func (s sealed) envelope(revision uint64) []byte {
	if s.codec == codecPlain {
		return fmt.Appendf(nil, `{"revision":%d,"hash":"%d","value":%s}`, revision, s.hash, s.body)
	}
	b := make([]byte, 0, 1+binary.MaxVarintLen64+8+len(s.body))
	b = append(b, s.codec)
	b = binary.AppendUvarint(b, revision)
	b = binary.LittleEndian.AppendUint64(b, s.hash)
	return append(b, s.body...)
}

// stored is a value as it was read: its header decoded, its body not yet.
type stored struct {
	revision uint64
	sealed
}

// parseEnvelope reads the header of what [sealed.envelope] made.
func parseEnvelope(text string) (stored, error) {
	if text == "" {
		return stored{}, fmt.Errorf("%w: an empty envelope", ErrDamaged)
	}
	switch text[0] {
	case codecPlain:
		var p plainEnvelope
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			return stored{}, fmt.Errorf("%w: a plain envelope: %w", ErrDamaged, err)
		}
		return stored{p.Revision, sealed{p.Hash, codecPlain, p.Value}}, nil
	case codecZstd, codecRaw:
		b := []byte(text[1:])
		revision, n := binary.Uvarint(b)
		if n <= 0 || len(b) < n+8 {
			return stored{}, fmt.Errorf("%w: an envelope cut short at %d bytes", ErrDamaged, len(text))
		}
		return stored{revision, sealed{binary.LittleEndian.Uint64(b[n:]), text[0], b[n+8:]}}, nil
	}
	return stored{}, fmt.Errorf("%w: an envelope of unknown codec %q (written by a newer version, or not by Meshweir)", ErrDamaged, text[0])
}

// open returns the value and proves it by its hash.
func (c *codec) open(s sealed) ([]byte, error) {
	value := s.body
	switch s.codec {
	case codecUnreadable:
		return nil, fmt.Errorf("%w: the envelope", ErrDamaged)
	case codecZstd:
		var err error
		if value, err = c.zstd.decoder.DecodeAll(s.body, nil); err != nil {
			return nil, fmt.Errorf("%w: decompressing: %w", ErrDamaged, err)
		}
	}
	if sum := hashOf(value); sum != s.hash {
		return nil, fmt.Errorf("%w: the hash is %x, the envelope says %x", ErrDamaged, sum, s.hash)
	}
	return value, nil
}
