package keyspace

import (
	"bytes"
	"errors"
	"io"
	"math"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// Any value, of any revision, comes back as it was written.
func FuzzSeal(f *testing.F) {
	for _, seed := range []string{"", "{}", " {}", `{"a":[1,2]}`, `"\u00e9 \xff"`, "null", "z", "\x00"} {
		f.Add([]byte(seed), uint64(7))
	}
	f.Add(nested(10_000), uint64(math.MaxUint64))
	f.Add(bytes.Repeat([]byte("metadata"), 1000), uint64(0))
	f.Fuzz(func(t *testing.T, value []byte, revision uint64) {
		for _, plain := range []bool{false, true} {
			codec, err := newCodec(plain)
			if err != nil {
				t.Fatal(err)
			}
			sealed := codec.seal(value, hashOf(value))
			read, err := parseEnvelope(string(sealed.envelope(revision)))
			if err != nil {
				t.Fatalf("plain %t: parsing what was sealed: %v", plain, err)
			}
			if read.revision != revision || read.hash != sealed.hash || read.codec != sealed.codec {
				t.Errorf("plain %t: got the header %d %x %c, want %d %x %c", plain, read.revision, read.hash, read.codec, revision, sealed.hash, sealed.codec)
			}
			if got, err := codec.open(read.sealed); err != nil || !bytes.Equal(got, value) {
				t.Errorf("plain %t: got %q, %v, want %q", plain, got, err, value)
			}
		}
	})
}

// nested is JSON so deep that Go reads it just so: one level more is refused.
func nested(depth int) []byte {
	return append(bytes.Repeat([]byte("["), depth), bytes.Repeat([]byte("]"), depth)...)
}

// Whatever stands in Redis is a value that its hash proves, or damaged, and costs no more than maxValue allows.
func FuzzOpen(f *testing.F) {
	files, err := filepath.Glob("testdata/envelopes/*.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		f.Add(readFile(f, file))
	}
	for _, seed := range []string{"", "r", "z", "x", "{", `{"revision":-1}`, `{"value":null}`, "z\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "r\x80\x0012345678"} {
		f.Add([]byte(seed))
	}
	f.Add(sealed{codec: codecZstd, body: stated}.envelope(1))
	codec, err := newCodec(false)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var value []byte
		before := allocated()
		read, err := parseEnvelope(string(text))
		if err == nil {
			value, err = codec.open(read.sealed)
		}
		if got := allocated() - before; got > budget {
			t.Errorf("an envelope of %d bytes cost %d bytes of memory, want %d at most", len(text), got, budget)
		}
		if err != nil {
			if !errors.Is(err, ErrDamaged) || value != nil {
				t.Errorf("got %q, %v, want ErrDamaged and no value", value, err)
			}
			return
		}
		if len(value) > maxValue || hashOf(value) != read.hash {
			t.Errorf("got %d bytes with the hash %x, want %d at most and %x", len(value), hashOf(value), maxValue, read.hash)
		}
	})
}

// budget is what reading one envelope may allocate in all, most of it garbage: a value that grows by a quarter each time costs five times what it ends at.
const budget = 6 * maxValue

// stated is the header of a frame, and nothing behind it, that says that it holds a terabyte.
var stated = []byte("\x28\xb5\x2f\xfd\xc0\x50\x00\x00\x00\x00\x00\x01\x00\x00")

func allocated() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.TotalAlloc
}

// Few bytes that unpack to many: they say so or do not.
func TestAValueThatUnpacksToTooMuchIsDamaged(t *testing.T) {
	codec, err := newCodec(false)
	if err != nil {
		t.Fatal(err)
	}
	var unstated bytes.Buffer
	w, err := zstd.NewWriter(&unstated, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(w, zeros{}, maxValue+1); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string][]byte{"stated": stated, "not stated": unstated.Bytes()} {
		before := allocated()
		value, err := codec.open(sealed{codec: codecZstd, body: body})
		tooMuch := errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded)
		if !errors.Is(err, ErrDamaged) || !tooMuch || value != nil {
			t.Errorf("%s: got %d bytes, %v, want ErrDamaged because it is too much", name, len(value), err)
		}
		if got := allocated() - before; got > budget {
			t.Errorf("%s: %d bytes cost %d bytes of memory, want %d at most", name, len(body), got, budget)
		}
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }
