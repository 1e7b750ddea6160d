package redisconn

// Commands are those that every user of a Redis needs in its rules beside those for its keys: to connect, also to
// a Redis Cluster, and to ask the server how it is. AUTH and HELLO are for everybody.
func Commands() []string {
	return []string{"client|setname", "ping", "info", "select", "command", "cluster|slots", "asking"}
}
