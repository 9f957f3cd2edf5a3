// Package gateway is left out (sandbox/setup/go_tools.py).
package gateway

import "github.com/traefik/traefik/v3/pkg/provider/without"

// ProviderName is the name of the original.
const ProviderName = "kubernetesgateway"

// Entrypoint is what the static configuration tells of one.
type Entrypoint struct {
	Address        string
	HasHTTPTLSConf bool
}

// Provider has what the static configuration fills in.
type Provider struct {
	without.Provider
	EntryPoints map[string]Entrypoint `json:"-" toml:"-" yaml:"-" label:"-" file:"-"`
}
