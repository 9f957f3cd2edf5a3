// Package consulcatalog is left out (sandbox/setup/go_tools.py).
package consulcatalog

import "github.com/traefik/traefik/v3/pkg/provider/without"

// ProviderName is the name of the original.
const ProviderName = "consulcatalog"

// ProviderBuilder stands for it.
type ProviderBuilder = without.Builder
