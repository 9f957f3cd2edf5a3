// Package ratelimiter is left out (sandbox/setup/go_tools.py).
package ratelimiter

import (
	"context"
	"errors"
	"net/http"

	"github.com/traefik/traefik/v3/pkg/config/dynamic"
)

// New makes none.
func New(context.Context, http.Handler, dynamic.RateLimit, string) (http.Handler, error) {
	return nil, errors.New("this build of Traefik is without that middleware")
}
