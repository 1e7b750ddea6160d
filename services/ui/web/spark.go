package web

import (
	"fmt"
	"strings"
)

// spark is a line of rates, as a path of SVG in a box of sparkWidth by sparkHeight.
type spark struct {
	Path, Area string
	// Now, Most are the last rate and the highest, in events each second.
	Now, Most float64
}

const (
	sparkWidth  = 600
	sparkHeight = 72
)

// sparkOf draws rates. The newest is at the right edge, however many there are.
func sparkOf(rates []rate) spark {
	var s spark
	for _, r := range rates {
		s.Most = max(s.Most, r.Second)
	}
	if len(rates) > 0 {
		s.Now = rates[len(rates)-1].Second
	}
	if len(rates) < 2 {
		return s
	}
	var b strings.Builder
	step := float64(sparkWidth) / float64(samples-1)
	first := 0.0
	for i, r := range rates {
		x := sparkWidth - float64(len(rates)-1-i)*step
		y := float64(sparkHeight-2) - r.Second/max(s.Most, 1)*(sparkHeight-6)
		letter := "L"
		if i == 0 {
			letter, first = "M", x
		}
		fmt.Fprintf(&b, "%s%.1f %.1f", letter, x, y)
	}
	s.Path = b.String()
	s.Area = s.Path + fmt.Sprintf("L%d %dL%.1f %dZ", sparkWidth, sparkHeight, first, sparkHeight)
	return s
}
