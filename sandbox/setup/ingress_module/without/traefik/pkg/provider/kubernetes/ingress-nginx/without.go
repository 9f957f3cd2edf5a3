// Package ingressnginx is left out (sandbox/setup/go_tools.py).
package ingressnginx

import "github.com/traefik/traefik/v3/pkg/provider/without"

// ProviderName is the name of the original.
const ProviderName = "kubernetesingressnginx"

// Provider has what the static configuration asks.
type Provider struct {
	without.Provider
	WatchNamespace         string
	WatchNamespaceSelector string
	NonTLSEntryPoints      []string `json:"-" toml:"-" yaml:"-" label:"-" file:"-"`
}
