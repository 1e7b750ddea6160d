// Package deploy holds what ships in deploy to what the programs are: every
// manifest and the compose file are read, and each flag, variable, image, port,
// probe, Secret and flow in them is put to the programs themselves. Where there
// is a real API server, it takes the manifests, and Pods as they describe them,
// under the Pod Security Standard "restricted".
package deploy
