// Package ecs is left out (sandbox/setup/go_tools.py).
package ecs

import "github.com/traefik/traefik/v3/pkg/provider/without"

// ProviderName is the name of the original.
const ProviderName = "ecs"

// Provider stands for it.
type Provider = without.Provider
