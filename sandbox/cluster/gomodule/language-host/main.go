// Command language-host lets Pulumi's engine run programs in Python: it is
// pulumi-language-python, which is not served as a module, for programs that
// have their virtual environment already. The program itself is started by
// the SDK's own launcher, which set-up lays beside this binary.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

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

// serve prints its port, then answers until the engine, its parent, is gone.
func serve(arguments []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	host := newHost(filepath.Join(filepath.Dir(self), "pulumi-language-python-exec"))
	// The engine's address comes last; newer engines say it in the handshake, too.
	if len(arguments) > 0 {
		host.engine = arguments[len(arguments)-1]
	}
	go endWithParent()
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
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

// endWithParent ends this process when it has got another parent. An engine that ends
// properly interrupts its plugins; a killed one cannot, and must leave none behind.
func endWithParent() {
	parent := os.Getppid()
	for os.Getppid() == parent {
		time.Sleep(parentCheck)
	}
	os.Exit(1)
}
