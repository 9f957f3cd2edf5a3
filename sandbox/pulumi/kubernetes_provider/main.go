// Command kubernetes-provider is Pulumi's provider for Kubernetes, whose module is served as
// a library: its own main package embeds files that only its build makes.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
)

// The schema is the module's own; set-up lays it beside this file for the build alone.
//
//go:embed schema.json
var schema []byte

// version is what the SDK in requirements/kit.in asks for, set by the linker.
var version string

func main() {
	// No mapping: it serves only the conversion of Terraform programs.
	provider.Serve("kubernetes", version, schema, []byte("{}"))
}
