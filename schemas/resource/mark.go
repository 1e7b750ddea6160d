package resource

import (
	"bytes"
	"encoding/json"
)

// AppliedFrom returns the [OutputAnnotation] of an object in JSON: the position of the output that it was applied from; "" for none.
func AppliedFrom(object []byte) string {
	if !bytes.Contains(object, []byte(OutputAnnotation)) {
		return ""
	}
	var decoded struct {
		Metadata struct {
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
	}
	if json.Unmarshal(object, &decoded) != nil {
		return ""
	}
	return decoded.Metadata.Annotations[OutputAnnotation]
}
