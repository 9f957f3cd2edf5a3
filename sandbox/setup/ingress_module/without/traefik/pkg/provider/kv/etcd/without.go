// Package etcd is left out (sandbox/setup/go_tools.py).
package etcd

import "github.com/traefik/traefik/v3/pkg/provider/without"

// ProviderName is the name of the original.
const ProviderName = "etcd"

// Provider stands for it.
type Provider = without.Provider
