// Package plugins is without the interpreters of Go and of WebAssembly, which are the largest part of Traefik (sandbox/setup/go_tools.py).
package plugins

import (
	"context"
	"errors"
	"net/http"

	"github.com/traefik/traefik/v3/pkg/provider/without"
)

var errWithout = errors.New("this build of Traefik is without plugins")

type (
	// Constructor makes a middleware.
	Constructor func(context.Context, http.Handler) (http.Handler, error)
	// Descriptor names a plugin.
	Descriptor struct{ ModuleName string }
	// LocalDescriptor names one of this machine.
	LocalDescriptor struct{ ModuleName string }
	// Builder has no plugin.
	Builder struct{}
	// Manager has none either.
	Manager struct{}
	// ManagerOptions are the manager's.
	ManagerOptions struct{ Output string }
	// RegistryDownloaderOptions are the downloader's.
	RegistryDownloaderOptions struct {
		HTTPClient   *http.Client
		ArchivesPath string
	}
)

// NewBuilder makes one.
func NewBuilder(*Manager, map[string]Descriptor, map[string]LocalDescriptor) (*Builder, error) {
	return &Builder{}, nil
}

// Build makes no middleware.
func (Builder) Build(string, map[string]any, string) (Constructor, error) {
	return nil, errWithout
}

// BuildProvider makes no provider.
func (Builder) BuildProvider(string, map[string]any) (*without.Provider, error) {
	return nil, errWithout
}

// NewRegistryDownloader makes none.
func NewRegistryDownloader(RegistryDownloaderOptions) (any, error) {
	return nil, errWithout
}

// NewManager makes none.
func NewManager(any, ManagerOptions) (*Manager, error) {
	return nil, errWithout
}

// SetupRemotePlugins refuses.
func SetupRemotePlugins(*Manager, map[string]Descriptor) error {
	return errWithout
}

// SetupLocalPlugins refuses.
func SetupLocalPlugins(map[string]LocalDescriptor) error {
	return errWithout
}
