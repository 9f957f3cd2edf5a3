// Package without has what stands for a source of configuration that this build of Traefik leaves out.
package without

import (
	"errors"

	"github.com/traefik/traefik/v3/pkg/config/dynamic"
	"github.com/traefik/traefik/v3/pkg/safe"
)

// Provider is one that cannot be started.
type Provider struct{}

// Init says that there is none, which Traefik logs.
func (*Provider) Init() error {
	return errors.New("this build of Traefik is without that provider")
}

// Provide is not reached: Init has failed.
func (*Provider) Provide(chan<- dynamic.Message, *safe.Pool) error {
	return nil
}

// Builder makes one such provider.
type Builder struct{}

// BuildProviders makes it.
func (*Builder) BuildProviders() []*Provider {
	return []*Provider{{}}
}
