package manifest

import "go.yaml.in/yaml/v3"

// LineOf returns the line of a field of the document's object. The path consists
// of names and indexes. Where the field is not found (the items of a List), it is the document's line.
func (d Document) LineOf(path []any) int {
	var root yaml.Node
	if yaml.Unmarshal(d.part.text, &root) != nil || len(root.Content) == 0 {
		return d.Line
	}
	node, line := root.Content[0], 0
	for _, step := range path {
		switch step := step.(type) {
		case string:
			node, line = field(node, step)
		case int:
			if node.Kind != yaml.SequenceNode || step >= len(node.Content) {
				return d.Line
			}
			node = node.Content[step]
			line = node.Line
		}
		if line == 0 {
			return d.Line
		}
	}
	return min(d.part.line+max(line, 1)-1, d.part.lastLine())
}

// field returns the value of a mapping's key, and the line of the key; 0 for none.
func field(node *yaml.Node, name string) (*yaml.Node, int) {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == name {
				return node.Content[i+1], node.Content[i].Line
			}
		}
	}
	return node, 0
}
