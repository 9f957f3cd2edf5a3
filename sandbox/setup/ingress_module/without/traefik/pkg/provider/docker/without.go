// Package docker is left out (sandbox/setup/go_tools.py).
package docker

import (
	ptypes "github.com/traefik/paerser/types"
	"github.com/traefik/traefik/v3/pkg/provider/without"
)

// The names of the originals.
const (
	DockerName = "docker"
	SwarmName  = "swarm"
)

// Provider has what the static configuration asks of Docker's.
type Provider struct {
	without.Provider
	HTTPClientTimeout ptypes.Duration
}

// SwarmProvider has what it asks of Swarm's.
type SwarmProvider struct {
	without.Provider
	HTTPClientTimeout ptypes.Duration
	RefreshSeconds    ptypes.Duration
}
