package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func TestDictionaryIsWhatTheRecordingGives(t *testing.T) {
	committed, err := os.ReadFile("../../pipeline/keyspace/dictionary/v1.zstd-dict")
	if err != nil {
		t.Fatal(err)
	}
	values, err := split(recorded)
	if err != nil {
		t.Fatal(err)
	}
	dictionary, err := train(values)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(dictionary, committed) {
		t.Errorf("the committed dictionary has %d bytes, the recording gives %d others; run go generate ./pipeline/keyspace", len(committed), len(dictionary))
	}
	for _, value := range values[:20] {
		roundTrip(t, dictionary, value)
	}
}

func roundTrip(t *testing.T, dictionary, value []byte) {
	t.Helper()
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderDict(dictionary), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		t.Fatal(err)
	}
	defer encoder.Close()
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderDicts(dictionary))
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	got, err := decoder.DecodeAll(encoder.EncodeAll(value, nil), nil)
	if err != nil || !bytes.Equal(got, value) {
		t.Errorf("after compressing and decompressing %s: got %s, %v", value, got, err)
	}
}

func TestVariantsKeepTheFormAndChangeTheNames(t *testing.T) {
	const service = `{"apiVersion":"v1","kind":"Service","metadata":{"name":"harbour","namespace":"docks","uid":"31f1109c-69a1-50b3-aad7-d8dfb2ca887a"},` +
		`"spec":{"clusterIP":"10.20.30.40","ports":[{"name":"http","port":8080}]}}`
	const pod = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"harbour-zs5462hbr-7ghkk","namespace":"docks"},"status":{"phase":"Running","podIP":"10.1.2.3","startTime":"2026-10-19T12:00:58Z"}}`
	variants, err := vary([][]byte{[]byte(service), []byte(pod)}, 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(variants) != 4 {
		t.Fatalf("got %d values of 2 variants of 2, want 4", len(variants))
	}
	for i, variant := range variants {
		for _, gone := range []string{"harbour", "docks", "31f1109c", "10.20.30.40", "10.1.2.3", "zs5462hbr", "7ghkk", "12:00:58"} {
			if bytes.Contains(variant, []byte(gone)) {
				t.Errorf("variant %d still holds %q: %s", i, gone, variant)
			}
		}
	}
	type object struct {
		APIVersion, Kind string
		Metadata         struct{ Name, Namespace string }
		Spec             struct{ Ports []struct{ Port int } }
		Status           struct{ Phase string }
	}
	var objects [4]object
	for i, variant := range variants {
		if err := json.Unmarshal(variant, &objects[i]); err != nil {
			t.Fatal(err)
		}
	}
	first, itsPod, second := objects[0], objects[1], objects[2]
	if first.APIVersion != "v1" || first.Kind != "Service" || first.Spec.Ports[0].Port != 8080 || itsPod.Status.Phase != "Running" {
		t.Errorf("the form of the objects changed: %+v, %+v", first, itsPod)
	}
	if name, _, _ := strings.Cut(itsPod.Metadata.Name, "-"); name != first.Metadata.Name || itsPod.Metadata.Namespace != first.Metadata.Namespace {
		t.Errorf("within a variant names fell apart: %+v and %+v", first.Metadata, itsPod.Metadata)
	}
	if first.Metadata == second.Metadata {
		t.Errorf("two variants have the same names: %+v", first.Metadata)
	}
}

func TestCoverTakesWhatSamplesShare(t *testing.T) {
	samples := [][]byte{
		[]byte("0123456789 the part that all have QWERTZUIOP"),
		[]byte("abcdefghij the part that all have ASDFGHJKLY"),
		[]byte("klmnopqrst the part that all have MNBVCXYPOI"),
	}
	if got := string(cover(samples, 1000, 40)); got != " the part that all have " {
		t.Errorf("got %q, want what the samples share, once", got)
	}
}
