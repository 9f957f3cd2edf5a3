// Package ext stands for Traefik's own of this name, through which others extend its configuration. Upstream's is as empty, and is a Go module
// inside of Traefik's, which the module proxy does not serve.
package ext

// HTTP is a part of the configuration of HTTP.
type HTTP struct{}

// Router is a part of a router's.
type Router struct{}
