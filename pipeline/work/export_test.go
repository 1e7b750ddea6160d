package work

// Waiting counts the asks that share the pass which has not begun yet.
func (w *Worker) Waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next == nil {
		return 0
	}
	return len(w.next.causes)
}
