package keyspace

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// A stored value names the dictionary that it was compressed with, and Redis may
// hold it for years: a dictionary that was shipped never changes. A better one
// becomes dictionary/v2.zstd-dict beside it, with an id of its own; codec.go then gives all
// of them to the decoder and the newest to the encoder, and it gets a line here and fixtures in testdata/envelopes.
func TestDictionariesThatWereShippedNeverChange(t *testing.T) {
	for want, dictionary := range map[string][]byte{
		"b15768af11530fab977e983b00fb7c1443fbd6123d741929168b7e0525b3b47c": dictionaryV1,
	} {
		sum := sha256.Sum256(dictionary)
		if got := hex.EncodeToString(sum[:]); got != want {
			t.Errorf("a dictionary has the checksum %s, want %s: restore it, for what is stored cannot be read without it", got, want)
		}
	}
}

// Every form of an envelope that was ever written stays readable. A file in
// testdata/envelopes is named "value.form"; the value stands beside it. Files are added, never changed.
func TestEnvelopesThatWereEverWrittenAreRead(t *testing.T) {
	codec, err := newCodec(false)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/envelopes/*.*")
	if err != nil || len(files) < 4 {
		t.Fatalf("found %v, %v, want four files or more", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, want := readFile(t, file), readFile(t, strings.TrimSuffix(file, filepath.Ext(file)))
			envelope, err := parseEnvelope(string(text))
			if err != nil {
				t.Fatal(err)
			}
			got, err := codec.open(envelope.sealed)
			if err != nil || !bytes.Equal(got, want) || envelope.revision != 300 {
				t.Errorf("got %q of revision %d, %v, want %q of revision 300", got, envelope.revision, err, want)
			}
			var header zstd.Header
			if strings.HasSuffix(file, ".zstd-v1") && (header.Decode(envelope.body) != nil || header.DictionaryID == 0) {
				t.Errorf("the value names the dictionary %d, want that of version 1", header.DictionaryID)
			}
		})
	}
}

func TestEveryValueIsReadAsItWasWritten(t *testing.T) {
	for _, plain := range []bool{false, true} {
		codec, err := newCodec(plain)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"", "{}", " {}", "{}\n", "[1,\n 2]", `"\u00e9 \xff"`, "text", "\x00", "z", "null"} {
			envelope, err := parseEnvelope(string(codec.seal([]byte(want), hashOf([]byte(want))).envelope(7)))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := codec.open(envelope.sealed); err != nil || string(got) != want {
				t.Errorf("plain %t: got %q, %v, want %q", plain, got, err, want)
			}
		}
	}
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
