// Package zk is left out (sandbox/setup/go_tools.py).
package zk

import "github.com/traefik/traefik/v3/pkg/provider/without"

// ProviderName is the name of the original.
const ProviderName = "zookeeper"

// Provider stands for it.
type Provider = without.Provider
