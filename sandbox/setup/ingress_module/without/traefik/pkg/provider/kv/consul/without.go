// Package consul is left out (sandbox/setup/go_tools.py).
package consul

import "github.com/traefik/traefik/v3/pkg/provider/without"

// ProviderName is the name of the original.
const ProviderName = "consul"

// ProviderBuilder stands for it.
type ProviderBuilder = without.Builder
