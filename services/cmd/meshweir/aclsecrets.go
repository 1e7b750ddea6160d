package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/services/cmd/launch"
)

// usersSecret is the name of the Secret that deploy/k8s/base/redis takes its users from, in the key usersKey.
const usersSecret, usersKey = "meshweir-redis", "users.acl" //nolint:gosec // a name, and no secret

// secretsOf says of whom printSecrets prints Secrets.
type secretsOf struct {
	users    []launch.User
	clusters []string // whose agents are among the users
	file     string   // of the passwords
	address  string   // of Redis
}

// printSecrets prints the Secrets that the manifests in deploy/k8s read.
func printSecrets(out, notes io.Writer, of secretsOf) error {
	switch {
	case of.file == "" || of.file == "-":
		return process.UsageError{Err: errors.New("-o secrets needs --secrets with the name of a file, for the passwords to stay the same the next time")}
	case len(of.clusters) > 1:
		return process.UsageError{Err: fmt.Errorf("-o secrets is for one cluster, and --agents names %d: those of others come from `meshweir cluster register`", len(of.clusters))}
	}
	target, err := redisconn.Parse(of.address)
	if err == nil && target.Username+target.Password+target.PasswordFile != "" {
		err = errors.New("it names a user or a password, and each service has its own")
	}
	if err != nil {
		return process.UsageError{Err: fmt.Errorf("--redis: %w", err)}
	}
	passwords, err := readPasswords(of.file, nil)
	if err != nil {
		return err
	}
	objects, err := of.objects(target, passwords)
	if err != nil {
		return err
	}
	if err := passwords.save(of.file, notes); err != nil {
		return err
	}
	return printManifests(out, objects)
}

// objects makes the Secret of Redis, and then those of whom it lets in.
func (of secretsOf) objects(target redisconn.Target, passwords *passwords) ([]*unstructured.Unstructured, error) {
	lines := firstUsers()
	for _, u := range of.users {
		lines = append(lines, "user "+aclUser{Name: u.Name, Password: redisconn.Hash(passwords.of(u.Name)), Rules: u.Rules}.line(""))
	}
	first, err := secret(usersSecret, map[string][]byte{usersKey: []byte(strings.Join(lines, "\n") + "\n")})
	if err != nil {
		return nil, err
	}
	objects := []*unstructured.Unstructured{first}
	for _, u := range of.users {
		if u.Name == adminUser || u.Name == launch.OperatorUser {
			continue // for people, who have the file of passwords
		}
		target.Username, target.Password = u.Name, passwords.of(u.Name)
		object, err := redisSecret(u.Name, map[string][]byte{}, target)
		if cluster, ok := strings.CutPrefix(u.Name, "meshweir-agent-"); ok {
			object, err = agentSecret(cluster, target)
		}
		if err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
	return objects, nil
}
