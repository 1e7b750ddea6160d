package stream

// GroupCommands are those that a [Subscriber] with a group needs on its streams in the rules of its Redis user.
func GroupCommands() []string {
	return []string{"xgroup|create", "xgroup|delconsumer", "xreadgroup", "xack", "xclaim", "xautoclaim", "xpending"}
}

// DeadLetterCommands are those that adding to [DeadLetters] needs on their stream.
func DeadLetterCommands() []string { return []string{"xadd", "xtrim"} }

// JanitorCommands are those that a [Janitor] needs on the streams that it looks after.
func JanitorCommands() []string {
	return []string{"xinfo|groups", "xinfo|consumers", "xinfo|stream", "xpending", "xtrim", "watch", "xgroup|delconsumer"}
}
