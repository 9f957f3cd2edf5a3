// Command coredns is CoreDNS with only the plugins that the sandbox's
// configuration names. A full CoreDNS pulls in every cloud's SDK.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/hosts"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
)

// The order in which a query passes through the plugins.
var order = []string{"bind", "health", "ready", "errors", "cache", "hosts", "kubernetes", "forward"}

func main() {
	dnsserver.Directives = order
	coremain.Run()
}
