package program

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Main is the TestMain of a package that runs this repository's commands as they
// ship: it builds the packages into a folder, whose path is then in *folder, and
// runs the tests.
//
//	func TestMain(m *testing.M) { os.Exit(program.Main(m, &binaries, "example.com/cmd/...")) }
func Main(m *testing.M, folder *string, packages ...string) int {
	made, err := os.MkdirTemp("", "meshweir-commands-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "making a folder for the commands:", err)
		return 1
	}
	defer os.RemoveAll(made)
	build := []string{"build", "-o", made + string(filepath.Separator), fmt.Sprintf("-race=%t", raced)}
	command := exec.Command("go", append(build, packages...)...)
	if out, err := command.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the commands: %v\n%s", err, out)
		return 1
	}
	*folder = made
	return m.Run()
}
