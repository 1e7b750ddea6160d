package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/services/agent/kubernetes"
	"github.com/meshweir/meshweir/services/cmd/launch"
)

// registration says what `cluster register` does beside registering.
type registration struct {
	createUser, rotatePassword bool
	agentRedis                 string
	image                      string
	onlySecret                 bool
	apply                      bool
	kubeconfig, context        string
}

func (o *operator) clusterRegister() *cobra.Command {
	var r registration
	cmd := &cobra.Command{
		Use: "register NAME", Short: "Expect a cluster, or take a deregistered one in again; print or apply what it needs",
		Args: clusterName, ValidArgsFunction: o.complete,
		Long: `Makes a cluster a part of the fleet. With --create-user, --rotate-password or --agent-redis it also prints the manifests of
all that the cluster needs, or applies them to it: the kinds of meshweir.io, a namespace, the agent with its rights, and a Secret
with the cluster's name and how the agent reaches Redis.

--create-user makes the agent's Redis user, with a new password and with rights to this cluster's keys only. --rotate-password
gives the user that is there a new password, and the rights that this version needs: connections stay open, and a running agent
reads the new password once the Secret is in its Pod. Its Deployment stays as it is, unless --image names an image for it; an
address that was given by --agent-redis is to be given again.

--only-secret is for a cluster that has all else from Git. For a Redis in which you make users by other means, see
'meshweir acl' for the rights, and name the user and its password in --agent-redis.

The manifests hold the password, which is told this once and kept nowhere else. Keep them as a secret, or pass them on.`,
		Example: `  meshweir cluster register east                                                      # it is expected from now on
  meshweir cluster register east --create-user --image registry.example.com/meshweir/agent:1.0 --apply --context east
  meshweir cluster register east --create-user --only-secret | kubectl --context east apply --server-side -f -
  meshweir cluster register east --rotate-password --apply --context east
  meshweir cluster register east --rotate-password --image registry.example.com/meshweir/agent:1.1 --apply --context east
  meshweir cluster register east --create-user --agent-redis rediss://redis.example.com:6380   # another address than --redis-control
  meshweir cluster register east --agent-redis 'rediss://east@redis.example.com?password_file=east.password' > east.yaml`,
		Run: o.run(func(ctx context.Context, s session, args []string) error { return r.run(ctx, s, args[0]) }),
	}
	flags := cmd.Flags()
	flags.BoolVar(&r.createUser, "create-user", false, "make the Redis user of the cluster's agent")
	flags.BoolVar(&r.rotatePassword, "rotate-password", false, "give the Redis user of the cluster's agent a new password")
	flags.StringVar(&r.agentRedis, "agent-redis", "",
		"`URL` by which the agent reaches Redis (default: the address in --redis-control); files that it names go into the Secret")
	flags.StringVar(&r.image, "image", "",
		"`image` of the agent (default: that of the manifests, which is published nowhere; with --rotate-password the one there)")
	flags.BoolVar(&r.onlySecret, "only-secret", false, "print or apply the Secret alone")
	flags.BoolVar(&r.apply, "apply", false, "apply the manifests to the cluster instead of printing them")
	flags.StringVar(&r.kubeconfig, "kubeconfig", "", "of --apply: `file` that says how the cluster is reached (default: where kubectl looks)")
	flags.StringVar(&r.context, "context", "", "of --apply: `name` of the cluster's context in the kubeconfig")
	return cmd
}

func (r registration) user() bool      { return r.createUser || r.rotatePassword }
func (r registration) manifests() bool { return r.user() || r.agentRedis != "" }

func (r registration) validate() error {
	switch {
	case r.createUser && r.rotatePassword:
		return errors.New("--create-user is for a user that is not there yet, --rotate-password for one that is: give one of the two")
	case !r.manifests() && (r.apply || r.onlySecret || r.image != ""):
		return errors.New("there are no manifests without a Redis user: give --create-user, --rotate-password, or --agent-redis with a user and a password")
	case r.onlySecret && r.image != "":
		return errors.New("--only-secret leaves out the Deployment, which --image is for: give one of the two")
	case r.apply && r.kubeconfig == "" && r.context == "":
		return errors.New("--apply must be told which cluster: give --context, --kubeconfig or both")
	case !r.apply && r.kubeconfig+r.context != "":
		return errors.New("--kubeconfig and --context are for --apply")
	}
	return nil
}

func (r registration) run(ctx context.Context, s session, name string) error {
	if err := r.validate(); err != nil {
		return process.UsageError{Err: err}
	}
	target, err := r.target(s)
	if err != nil {
		return process.UsageError{Err: err}
	}
	var to *applier
	if r.apply { // what can go wrong goes wrong before anything is done
		api, err := kubernetes.Connect(r.kubeconfig, r.context)
		if err != nil {
			return process.UsageError{Err: err}
		}
		if to, err = newApplier(api); err != nil {
			return err
		}
	}
	if r.user() {
		if target.Username, target.Password, err = r.prepareUser(ctx, s, name); err != nil {
			return err
		}
	}
	var objects []*unstructured.Unstructured
	if r.manifests() {
		if objects, err = workload(name, target, r.image); err != nil {
			return err
		}
		objects = slices.DeleteFunc(objects, func(o *unstructured.Unstructured) bool { return !r.includes(o.GetKind()) })
	}
	if r.rotatePassword && r.apply { // an agent whose new password cannot be brought to it would be shut out
		if err := to.apply(ctx, objects, metav1.DryRunAll); err != nil {
			return err
		}
	}
	already, err := register(ctx, s.store, name, time.Now())
	if err != nil {
		return err
	}
	fmt.Fprintf(s.notes, "%s %s.\n", name, map[bool]string{true: "was registered before", false: "is registered"}[already])
	if r.user() {
		if err := s.setUser(ctx, name, target.Password); err != nil {
			return err
		}
	}
	if !r.apply {
		return printManifests(s.out, objects)
	}
	if err := to.apply(ctx, objects); err != nil {
		if r.user() {
			err = fmt.Errorf("%w; when that is mended, give the command again with --rotate-password", err)
		}
		return err
	}
	fmt.Fprintf(s.notes, "Applied %s. `meshweir cluster ls` shows %s as connected once its agent works.\n", counted(len(objects), "manifest", "manifests"), name)
	return nil
}

// includes reports whether manifests of a kind are printed or applied.
func (r registration) includes(kind string) bool {
	switch {
	case r.onlySecret:
		return kind == "Secret"
	case r.rotatePassword && r.image == "":
		return kind != "Deployment" // it has an image
	default:
		return true
	}
}

// target says how the agent will reach Redis; with a new user, but for its name and password.
func (r registration) target(s session) (redisconn.Target, error) {
	if !r.manifests() {
		return redisconn.Target{}, nil
	}
	if r.agentRedis == "" {
		t := s.target
		t.Username, t.Password, t.PasswordFile = "", "", ""
		if t.TLSCert != "" {
			return t, errors.New("--redis-control names your own client certificate; name the agent's with --agent-redis")
		}
		return t, reachable(t)
	}
	t, err := redisconn.Parse(r.agentRedis)
	if err != nil {
		return t, fmt.Errorf("--agent-redis: %w", err)
	}
	if r.user() && t.Username+t.Password+t.PasswordFile != "" {
		return t, errors.New("--agent-redis names a user or a password, which --create-user and --rotate-password make: leave one of the two out")
	}
	return t, nil
}

// prepareUser sees that the agent's Redis user can be made, and returns its name and a new password.
func (r registration) prepareUser(ctx context.Context, s session, cluster string) (name, password string, err error) {
	user, err := launch.AgentUser(cluster)
	if err == nil {
		err = s.mayHaveUsers()
	}
	if err != nil {
		return "", "", err
	}
	has, err := redisconn.HasUser(ctx, s.client, user.Name)
	switch {
	case err != nil:
		return "", "", fmt.Errorf("%w%s", err, mendUsers(err))
	case has && r.createUser:
		return "", "", fmt.Errorf("making the Redis user of %q: %s is there already; --rotate-password gives it a new password, and its agent needs the manifests with that", cluster, user.Name)
	case !has && r.rotatePassword:
		return "", "", fmt.Errorf("changing the Redis user of %q: there is no %s; --create-user makes it", cluster, user.Name)
	}
	return user.Name, newPassword(), nil
}

// setUser makes the Redis user of a cluster's agent.
func (s session) setUser(ctx context.Context, cluster, password string) error {
	user, err := launch.AgentUser(cluster)
	if err != nil {
		return err
	}
	saved, err := redisconn.SetUser(ctx, s.client, user.Name, password, user.Rules)
	if err != nil {
		return fmt.Errorf("%w%s", err, mendUsers(err))
	}
	line := "user " + aclUser{Name: user.Name, Password: redisconn.Hash(password), Rules: user.Rules}.line("")
	if !saved {
		fmt.Fprintf(s.notes, "Redis keeps its users in memory only, as it has no aclfile. To keep this one over a restart: CONFIG REWRITE, or this line in its configuration:\n%s\n", line)
	}
	if info, err := s.client.InfoMap(ctx, "replication").Result(); err == nil && info["Replication"]["connected_slaves"] > "0" && s.target.Mode != redisconn.ModeCluster {
		fmt.Fprintf(s.notes, "Redis has replicas, and users are not copied to them. For the time after a failover, give each of them:\n%s\n", line)
	}
	return nil
}

// mayHaveUsers refuses the embedded Redis, which has no users.
func (s session) mayHaveUsers() error {
	if s.target.Mode == redisconn.ModeEmbedded {
		return errors.New("the embedded Redis knows no users: run a Redis and name it by --redis-control")
	}
	return nil
}

// mendUsers says what to do when Redis does not let its users be changed.
func mendUsers(err error) string {
	if !redis.IsPermissionError(err) {
		return ""
	}
	return "; your own Redis user needs +acl and +info. Where nobody may have that, make the user as your provider says, " +
		"with the rules that `meshweir acl` prints, and name it in --agent-redis"
}
