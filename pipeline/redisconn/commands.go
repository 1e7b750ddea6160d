package redisconn

// Commands are those without keys that every user of a Redis needs in its rules: to connect, also to a Redis
// Cluster, and to ask the server how it is. AUTH and HELLO are for everybody.
func Commands() []string {
	return []string{"asking", "client|setname", "cluster|slots", "command", "info", "ping", "select"}
}
