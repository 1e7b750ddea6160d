package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/services/cmd/launch"
)

const (
	// adminUser may do everything in Redis: register clusters, make users.
	adminUser = "meshweir-admin"
	// probeUser asks a Redis that we run whether it is ready.
	probeUser = "meshweir-probe"
	// defaultUser keeps out who names no user. Nobody can be it, and yet it needs its rights: while Redis reads its append-only
	// file, it runs transactions as this user, and forgets in silence those that the user may not run (redis/redis#14541).
	defaultUser = "user default off ~* &* +@all"
)

// aclUser is a Redis user as it is printed.
type aclUser struct {
	Name string `json:"name"`
	// Password is a hash; empty for a user that cannot log in yet.
	Password string   `json:"password,omitempty"`
	Rules    []string `json:"rules"`
}

// admin is the user of those who run the fleet.
func admin() launch.User { return launch.User{Name: adminUser, Rules: []string{"~*", "&*", "+@all"}} }

// firstUsers are the lines of an aclfile that stand before those of the services: nobody gets in without a name, and
// probeUser may ask whether the server works, which one that loads its data denies.
func firstUsers() []string {
	return []string{defaultUser, "user " + probeUser + " on nopass -@all +ping"}
}

// aclCommand prints the Redis users of a fleet. It speaks to no Redis.
func aclCommand(code *int) *cobra.Command {
	var clusters []string
	var secrets, folder, format, address string
	var withAdmin bool
	cmd := &cobra.Command{
		Use: "acl", Short: "Print the Redis users of the services and agents, with the least rights that work", Args: cobra.NoArgs,
		Long: `Prints a Redis user for each service, and one for the agent of each cluster in --agents. Each may do to the keys of its own
work what that work needs, and nothing else. With --admin there is meshweir-admin too, who may do everything: it registers
clusters and makes users. Redis 7 or newer.

Passwords are printed as hashes. The passwords themselves stand in the file of --secrets, "user: password" in each line: those
that it has are used, and for every other user one is made up and added to it. A file that is new is readable by you alone.
With --secrets - they are read from standard input. Without --secrets the users have no password and cannot log in.

With --folder nothing is printed: the folder then holds redis/users.acl, and each user's password in a folder of its own,
such as translator/password, so that containers can be given theirs and no other. Passwords that are there stay, and so do
other users in the aclfile.

With -o secrets the Secrets of deploy/k8s are printed: that of Redis holds the aclfile, each service's its user, its password and
the address in --redis. meshweir-admin is always among them; its password and that of meshweir-operator are in the file only.

An aclfile says all about who may log in. Keep a line of your own in it for the user "default": where there is none, Redis
lets everybody in, as everything.`,
		Example: `  meshweir acl --agents east,west --admin --secrets passwords.yaml > users.acl  # redis-server --aclfile users.acl
  meshweir acl --agents east --secrets passwords.yaml -o commands | redis-cli   # a Redis that runs; then ACL SAVE, or CONFIG REWRITE
  meshweir acl --agents local --secrets passwords.yaml -o secrets | kubectl apply --server-side -f -   # see docs/install.md
  meshweir acl --agents east | grep agent                                       # what may the agent of east do?`,
		Run: func(cmd *cobra.Command, _ []string) {
			users, err := launch.Users(clusters...)
			if withAdmin || format == "secrets" {
				users = append([]launch.User{admin()}, users...)
			}
			switch {
			case err != nil:
				err = process.UsageError{Err: err}
			case folder != "" && secrets != "":
				err = process.UsageError{Err: errors.New("--folder keeps the passwords in it, --secrets in a file: give one of the two")}
			case format == "secrets":
				err = printSecrets(cmd.OutOrStdout(), cmd.ErrOrStderr(), secretsOf{users, clusters, secrets, address})
			case folder != "":
				err = writeUserFolder(folder, users, cmd.ErrOrStderr())
			default:
				err = printUsers(cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr(), users, secrets, format)
			}
			if *code = process.ExitCode(err); err != nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "meshweir: %v\n", err)
			}
		},
	}
	cmd.Flags().StringSliceVar(&clusters, "agents", nil, "`names` of the clusters whose agents get a user")
	cmd.Flags().BoolVar(&withAdmin, "admin", false, "make meshweir-admin too, who may do everything")
	cmd.Flags().StringVar(&folder, "folder", "", "`folder` to write the aclfile and the passwords to, for containers")
	cmd.Flags().StringVar(&address, "redis", "redis://meshweir-redis:6379", "of -o secrets: `URL` by which the services reach Redis, in the form of --redis-control")
	cmd.Flags().StringVar(&secrets, "secrets", "", "`file` of the passwords, read and added to; - reads them from standard input")
	process.ChoiceP(cmd.Flags(), &format, "output", "o", "form of the list", "aclfile", "commands", "json", "yaml", "secrets")
	return cmd
}

func printUsers(in io.Reader, out, notes io.Writer, users []launch.User, file, format string) error {
	passwords, err := readPasswords(file, in)
	if err != nil {
		return err
	}
	list := make([]aclUser, len(users))
	for i, u := range users {
		list[i] = aclUser{Name: u.Name, Rules: u.Rules}
		if passwords != nil {
			list[i].Password = redisconn.Hash(passwords.of(u.Name))
		}
	}
	// First the secrets: what was printed and cannot be used is no help.
	if passwords == nil {
		fmt.Fprintln(notes, "These users have no password and cannot log in: --secrets FILE gives them one.")
	} else if err := passwords.save(file, notes); err != nil {
		return err
	}
	switch format {
	case "json", "yaml":
		return encode(out, format, struct {
			Users []aclUser `json:"users"`
		}{list})
	}
	for _, u := range list {
		line := "user " + u.line("")
		if format == "commands" {
			line = "ACL SETUSER " + u.line("reset ")
		}
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return nil
}

// line is the user as an aclfile and ACL SETUSER take it, with something before its rules.
func (u aclUser) line(first string) string {
	if u.Password != "" {
		first += u.Password + " "
	}
	return u.Name + " " + first + "on " + strings.Join(u.Rules, " ")
}
