// Package version is without the question for a newer release, and so without a client of all of GitHub (sandbox/setup/go_tools.py).
package version

import (
	"time"

	"github.com/gorilla/mux"
)

// What Traefik tells of itself.
var (
	Version            = "dev"
	Codename           = "without"
	BuildDate          = ""
	StartDate          = time.Now()
	DisableDashboardAd = false
	DashboardName      = ""
)

// Handler adds no route.
type Handler struct{}

// Append adds none.
func (Handler) Append(*mux.Router) {}

// CheckNewVersion asks nobody.
func CheckNewVersion() {}
