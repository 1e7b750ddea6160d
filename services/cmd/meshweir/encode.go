package main

import (
	"encoding/json"
	"io"

	"sigs.k8s.io/yaml"
)

// encode prints a document as "json" or "yaml".
func encode(out io.Writer, format string, document any) error {
	if format == "yaml" {
		text, err := yaml.Marshal(document)
		if err == nil {
			_, err = out.Write(text)
		}
		return err
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false) // "&" stands in the rules of Redis users
	return encoder.Encode(document)
}
