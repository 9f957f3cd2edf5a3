// Package crd is left out (sandbox/setup/go_tools.py).
package crd

import (
	"github.com/traefik/traefik/v3/pkg/provider/kubernetes/gateway"
	"github.com/traefik/traefik/v3/pkg/provider/without"
)

// ProviderName is the name of the original.
const ProviderName = "kubernetescrd"

// Provider has what the static configuration calls.
type Provider struct{ without.Provider }

// FillExtensionBuilderRegistry has nothing to tell.
func (*Provider) FillExtensionBuilderRegistry(*gateway.Provider) {}
