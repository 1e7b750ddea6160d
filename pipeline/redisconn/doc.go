// Package redisconn opens Redis by a URL and says whether the server will do.
//
//	embedded://127.0.0.1:41233                        the server that this process started with [StartEmbedded]
//	redis://user:password@host:6379/0                 one server; user, password, port and database may be left out
//	unix:///run/redis.sock                            one server on a Unix socket; user:password@ may stand before the path
//	redis+sentinel://user:password@h1:26379,h2/mymaster   the master that these Sentinels name
//	redis+cluster://user:password@h1:6379,h2          a Redis Cluster, with some of its nodes
//	rediss://…  rediss+sentinel://…  rediss+cluster://…   the same over TLS (1.2 or newer)
//
// User and password are percent-encoded where they hold one of "@/?#%" or
// other characters that a URL reserves. Parameters stand behind a "?":
//
//	db=N                       database, for unix and sentinel (redis:// has it in the path, a Cluster has one only)
//	password_file=PATH         the password, read again for each new connection, so that it may rotate
//	tls_ca=PATH                certificates (PEM) to trust instead of the system's
//	tls_cert=PATH tls_key=PATH client certificate and key (PEM), read again for each new connection
//	tls_server_name=NAME       the name that the server's certificate must hold, where it is not the host's
//	sentinel_username=NAME sentinel_password=… sentinel_password_file=PATH   where Sentinels ask for their own
//
// A [Conn] has two clients: Client for commands, which retries, and Blocking for
// reads that wait (XREAD BLOCK), which does not. No password ever shows in an
// error, a log line or [Target.String].
package redisconn
