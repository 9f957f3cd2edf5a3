// Package proxy is without the proxy that is fast and experimental (sandbox/setup/go_tools.py).
package proxy

import (
	"github.com/traefik/traefik/v3/pkg/config/static"
	"github.com/traefik/traefik/v3/pkg/server/service"
)

// NewSmartBuilder gives back the builder of the ordinary proxy.
func NewSmartBuilder(_ any, ordinary service.ProxyBuilder, _ static.FastProxyConfig) service.ProxyBuilder {
	return ordinary
}
