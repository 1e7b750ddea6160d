package stream

// GroupCommands are those that a [Subscriber] with a group, and its [DeadLetters], need in the rules of their Redis user.
func GroupCommands() []string {
	return []string{
		"xgroup|create", "xgroup|delconsumer", "xreadgroup", "xack", "xclaim", "xautoclaim", "xpending", // the group
		"xinfo|consumers", "watch", "unwatch", // its end
		"multi", "exec", "xadd", "xtrim", // dead letters
	}
}

// JanitorCommands are those that a [Janitor] needs.
func JanitorCommands() []string {
	return []string{"xinfo|groups", "xinfo|consumers", "xinfo|stream", "xpending", "xtrim", "watch", "unwatch", "multi", "exec", "xgroup|delconsumer"}
}
