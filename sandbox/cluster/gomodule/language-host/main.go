// Command language-host lets Pulumi's engine run programs in Python: it is
// pulumi-language-python, which is not served as a module, for programs that
// have their virtual environment already. The program itself is started by
// the SDK's own launcher, which set-up lays beside this binary.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

func main() {
	if err := serve(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve prints its port, then answers until the engine is gone.
func serve(arguments []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	host := &host{launcher: filepath.Join(filepath.Dir(self), "pulumi-language-python-exec")}
	// The engine's address comes last; newer engines say it in the handshake, too.
	if len(arguments) > 0 {
		host.engine = arguments[len(arguments)-1]
	}
	ended, end := context.WithCancel(context.Background())
	defer end()
	stop := make(chan bool)
	go func() {
		<-ended.Done()
		close(stop)
	}()
	if host.engine != "" {
		if err := rpcutil.Healthcheck(ended, host.engine, healthSeconds, end); err != nil {
			return fmt.Errorf("the engine at %s does not answer: %w", host.engine, err)
		}
	}
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: stop,
		Init: func(server *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(server, host)
			return nil
		},
	})
	if err != nil {
		return err
	}
	fmt.Println(handle.Port)
	return <-handle.Done
}
