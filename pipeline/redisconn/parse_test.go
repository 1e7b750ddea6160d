package redisconn_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshweir/meshweir/pipeline/redisconn"
)

func TestParsesEveryForm(t *testing.T) {
	tests := []struct {
		in, printed string // printed is "" where it equals in
		want        redisconn.Target
	}{
		{in: "embedded://127.0.0.1:4000", want: redisconn.Target{Mode: redisconn.ModeEmbedded, Addrs: []string{"127.0.0.1:4000"}}},
		{in: "redis://host", printed: "redis://host:6379", want: redisconn.Target{Mode: redisconn.ModeSingle, Addrs: []string{"host:6379"}}},
		{in: "redis://[::1]:7000/3", want: redisconn.Target{Mode: redisconn.ModeSingle, Addrs: []string{"[::1]:7000"}, DB: 3}},
		{in: "redis://[::1]", printed: "redis://[::1]:6379", want: redisconn.Target{Mode: redisconn.ModeSingle, Addrs: []string{"[::1]:6379"}}},
		{
			in: "redis://:hidden@host:1", printed: "redis://host:1",
			want: redisconn.Target{Mode: redisconn.ModeSingle, Addrs: []string{"host:1"}, Password: "hidden"},
		},
		{
			in: "redis://us%40er:p%2Fa%3As%25s@host:1/", printed: "redis://us%40er@host:1",
			want: redisconn.Target{Mode: redisconn.ModeSingle, Addrs: []string{"host:1"}, Username: "us@er", Password: "p/a:s%s"},
		},
		{
			in: "redis://user:a@b@host:1", printed: "redis://user@host:1",
			want: redisconn.Target{Mode: redisconn.ModeSingle, Addrs: []string{"host:1"}, Username: "user", Password: "a@b"},
		},
		{
			in: "rediss://u@host:1?password_file=/p&tls_ca=/ca&tls_cert=/c&tls_key=/k&tls_server_name=n", printed: "rediss://u@host:1",
			want: redisconn.Target{
				Mode: redisconn.ModeSingle, Addrs: []string{"host:1"}, Username: "u", PasswordFile: "/p",
				TLS: true, TLSCA: "/ca", TLSCert: "/c", TLSKey: "/k", TLSServerName: "n",
			},
		},
		{in: "unix:///run/my%20redis.sock?db=2", want: redisconn.Target{Mode: redisconn.ModeSingle, Addrs: []string{"/run/my redis.sock"}, DB: 2}},
		{
			in: "unix://u:p@/run/redis.sock", printed: "unix://u@/run/redis.sock",
			want: redisconn.Target{Mode: redisconn.ModeSingle, Addrs: []string{"/run/redis.sock"}, Username: "u", Password: "p"},
		},
		{
			in: "redis+sentinel://u:p@h1,h2:5/main?db=1&sentinel_username=su&sentinel_password=sp", printed: "redis+sentinel://u@h1:26379,h2:5/main?db=1",
			want: redisconn.Target{
				Mode: redisconn.ModeSentinel, Addrs: []string{"h1:26379", "h2:5"}, Master: "main", DB: 1,
				Username: "u", Password: "p", SentinelUsername: "su", SentinelPassword: "sp",
			},
		},
		{in: "rediss+sentinel://h:1/m", want: redisconn.Target{Mode: redisconn.ModeSentinel, Addrs: []string{"h:1"}, Master: "m", TLS: true}},
		{in: "redis+cluster://h1:1,h2:2", want: redisconn.Target{Mode: redisconn.ModeCluster, Addrs: []string{"h1:1", "h2:2"}}},
		{in: "rediss+cluster://h1:1/0", printed: "rediss+cluster://h1:1", want: redisconn.Target{Mode: redisconn.ModeCluster, Addrs: []string{"h1:1"}, TLS: true}},
	}
	for _, test := range tests {
		t.Run(test.in, func(t *testing.T) {
			got, err := redisconn.Parse(test.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			printed := test.printed
			if printed == "" {
				printed = test.in
			}
			if got.String() != printed {
				t.Errorf("printed: got %s, want %s", got, printed)
			}
			again, err := redisconn.Parse(got.URL())
			if diff := cmp.Diff(test.want, again); diff != "" || err != nil {
				t.Errorf("read again from %s: %v (-want +got)\n%s", got.URL(), err, diff)
			}
		})
	}
}

func TestParseErrorsSayWhatIsWrong(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", `no "scheme://"`},
		{"localhost:6379", `no "scheme://"`},
		{"http://host", "scheme is none of embedded, redis, redis+cluster"},
		{"redis://", "names no host"},
		{"redis://a,b", "redis+sentinel:// or redis+cluster://"},
		{"redis://host:99999", `port "99999"`},
		{"redis://host:0", `port "0"`},
		{"redis://host/one", `database "one"`},
		{"redis://host/-1", `database "-1"`},
		{"redis://ho st", "no host name"},
		{"redis://a:b:c", "no host:port"},
		{"redis://host?pool_size=3", `parameter "pool_size" is unknown; redis:// takes password_file`},
		{"redis://host?db=3", `parameter "db" is unknown`},
		{"redis://host?tls_ca=/ca", `parameter "tls_ca" is unknown`},
		{"rediss://host?tls_cert=/c", "tls_cert and tls_key go together"},
		{"redis://host?password_file=", `"password_file" has no value`},
		{"redis://host?password_file=a&password_file=b", "twice"},
		{"redis://host?password_file=%zz", "percent-encoded"},
		{"redis://:p@host?password_file=/p", "both a password and password_file"},
		{"redis://hidden@host", "user but no password"},
		{"redis://:hid%xden@host", "%25"},
		{"redis://:hid/den@host", "percent-encoded (%40"},
		{"redis://:hid?den@host", "percent-encoded (%40"},
		{"redis://:hid#den@host", "percent-encoded (%40"},
		{"unix://host/run/redis.sock", "three slashes"},
		{"unix://", "names no socket"},
		{"redis+sentinel://h:1", "names no master"},
		{"redis+sentinel://h:1/m/1", "names no master"},
		{"redis+cluster://h:1/2", "database 0 only"},
		{"embedded://", "`meshweir up`"},
		{"embedded://127.0.0.1:1?db=1", "takes no parameters"},
		{"embedded://u:p@127.0.0.1:1", "takes no user"},
	}
	for _, test := range tests {
		t.Run(test.in, func(t *testing.T) {
			got, err := redisconn.Parse(test.in)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, %v, want an error with %q", got, err, test.want)
			}
			for _, piece := range []string{"hidden", "hid", "den"} {
				if strings.Contains(err.Error(), piece) {
					t.Errorf("the error quotes the password: %v", err)
				}
			}
		})
	}
}

// FuzzParse checks that no input panics, that what was parsed prints without
// its passwords, and that what prints means the same servers.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"redis://u:PASSWORD@host:1/2", "unix:///s?db=1", "rediss+sentinel://:PASSWORD@a,b/m?sentinel_password=PASSWORD",
		"redis+cluster://a:1,[::1]:2", "embedded://127.0.0.1:1", "redis://:%50ASSWORD@h", "redis://:PASS/WORD@h", "redis://h/%zz",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		target, err := redisconn.Parse(in)
		if err != nil {
			return
		}
		printed := target.String()
		for _, secret := range []string{target.Password, target.SentinelPassword} {
			rest := strings.NewReplacer(target.Username, "", target.Master, "").Replace(printed)
			if len(secret) > 12 && strings.Contains(rest, secret) && !strings.Contains(strings.Join(target.Addrs, " "), secret) {
				t.Errorf("%q holds the password", printed)
			}
		}
		if got := fmt.Sprintf("%v %+v %#v %s", target, target, target, &target); strings.Count(got, printed) != 4 {
			t.Errorf("a target prints as %q, want %q each time", got, printed)
		}
		if target.Username != "" {
			return // a user must come with a password, which is not printed
		}
		again, err := redisconn.Parse(printed)
		if err != nil {
			t.Fatalf("parsing what %q prints: %v", printed, err)
		}
		if diff := cmp.Diff(again.Addrs, target.Addrs); diff != "" || again.DB != target.DB || again.Master != target.Master || again.Mode != target.Mode || again.TLS != target.TLS {
			t.Errorf("%q prints as %q, which means %+v", in, printed, again.Addrs)
		}
	})
}
