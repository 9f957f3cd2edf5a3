package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
)

const (
	// parentCheck is how often it is looked whether the engine lives.
	parentCheck = time.Second
	// grace is how long a cancelled program may take to end.
	grace = 5 * time.Second
	// toldTheUser is the launcher's exit code after it has explained a failure itself.
	toldTheUser = 32
	// version is what `pulumi about` shows of this plugin.
	version = "1.0.0"
	// noDebugger refuses what would otherwise be waited for without an end.
	noDebugger = "this language host, which Aerodrome's set-up has built, attaches no debugger; " +
		"put Pulumi's own release on the PATH, with its pulumi-language-python"
)

type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer

	engine   string
	launcher string
	// cancelled ends with Cancel, and the programs that run then with it.
	cancelled context.Context
	cancel    context.CancelFunc
}

func newHost(launcher string) *host {
	cancelled, cancel := context.WithCancel(context.Background())
	return &host{launcher: launcher, cancelled: cancelled, cancel: cancel}
}

func (h *host) Handshake(
	_ context.Context, request *pulumirpc.LanguageHandshakeRequest,
) (*pulumirpc.LanguageHandshakeResponse, error) {
	h.engine = request.EngineAddress
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version}, nil
}

// GetRequiredPackages names none: the plugins of the sandbox are on the PATH, and
// the engine starts each when a resource first needs it. So no Python is started to ask.
func (h *host) GetRequiredPackages(
	context.Context, *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	return &pulumirpc.GetRequiredPackagesResponse{}, nil
}

func (h *host) GetRequiredPlugins(
	context.Context, *pulumirpc.GetRequiredPluginsRequest,
) (*pulumirpc.GetRequiredPluginsResponse, error) {
	return &pulumirpc.GetRequiredPluginsResponse{}, nil
}

func (h *host) About(
	_ context.Context, request *pulumirpc.AboutRequest,
) (*pulumirpc.AboutResponse, error) {
	environment, err := environmentOf(request.Info)
	if err != nil {
		return nil, err
	}
	return &pulumirpc.AboutResponse{
		Executable: filepath.Join(environment, "bin", "python"),
		Version:    pythonVersion(environment),
	}, nil
}

// GetProgramDependencies lists the distributions that are installed in the program's environment.
func (h *host) GetProgramDependencies(
	_ context.Context, request *pulumirpc.GetProgramDependenciesRequest,
) (*pulumirpc.GetProgramDependenciesResponse, error) {
	environment, err := environmentOf(request.Info)
	if err != nil {
		return nil, err
	}
	found, err := filepath.Glob(filepath.Join(environment, "lib", "python3*", "site-packages", "*.dist-info"))
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.GetProgramDependenciesResponse{}
	for _, folder := range found {
		name, version, ok := strings.Cut(strings.TrimSuffix(filepath.Base(folder), ".dist-info"), "-")
		if ok {
			response.Dependencies = append(
				response.Dependencies, &pulumirpc.DependencyInfo{Name: name, Version: version})
		}
	}
	return response, nil
}

// InstallDependencies only checks: the environment is made by set-up, from locked requirements.
func (h *host) InstallDependencies(
	request *pulumirpc.InstallDependenciesRequest, _ pulumirpc.LanguageRuntime_InstallDependenciesServer,
) error {
	_, err := environmentOf(request.Info)
	return err
}

// Cancel ends the programs that run. The engine cancels a host that it has no more use for.
func (h *host) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	h.cancel()
	return &emptypb.Empty{}, nil
}

// Run runs the program to its end. A failure of the program is an answer, not an error.
func (h *host) Run(ctx context.Context, request *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	if request.AttachDebugger {
		return &pulumirpc.RunResponse{Error: noDebugger}, nil
	}
	environment, err := environmentOf(request.Info)
	if err != nil {
		return &pulumirpc.RunResponse{Error: err.Error()}, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(h.cancelled, cancel)()
	command, err := h.command(ctx, environment, request)
	if err != nil {
		return nil, err
	}
	// The program is killed with the thread that started it (Pdeathsig): it must stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err = command.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &pulumirpc.RunResponse{}, nil
	case ctx.Err() != nil:
		return &pulumirpc.RunResponse{Error: "the program was cancelled"}, nil
	case errors.As(err, &exit) && exit.ExitCode() == toldTheUser:
		return &pulumirpc.RunResponse{Bail: true}, nil
	case errors.As(err, &exit):
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("the program ended with %s", exit)}, nil
	default:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("the program cannot be started: %s", err)}, nil
	}
}

func (h *host) command(
	ctx context.Context, environment string, request *pulumirpc.RunRequest,
) (*exec.Cmd, error) {
	// An empty map or list would be written as null, which the launcher does not take.
	config, err := json.Marshal(orEmpty(request.Config))
	if err != nil {
		return nil, err
	}
	secret, err := json.Marshal(append([]string{}, request.ConfigSecretKeys...))
	if err != nil {
		return nil, err
	}
	entry := request.Info.EntryPoint
	if entry == "" {
		entry = "."
	}
	words := []string{
		"-u", h.launcher,
		"--monitor", request.MonitorAddress,
		"--engine", h.engine,
		"--project", request.Project,
		"--root_directory", request.Info.RootDirectory,
		"--stack", request.Stack,
		"--pwd", request.Pwd,
		"--dry_run", strconv.FormatBool(request.DryRun),
		"--parallel", strconv.Itoa(int(request.Parallel)),
		"--organization", request.Organization,
		entry,
	}
	command := exec.CommandContext(ctx, filepath.Join(environment, "bin", "python"), append(words, request.Args...)...)
	command.Dir = request.Info.ProgramDirectory
	command.Env = append(os.Environ(),
		"PULUMI_CONFIG="+string(config),
		"PULUMI_CONFIG_SECRET_KEYS="+string(secret),
		"VIRTUAL_ENV="+environment,
		"PATH="+filepath.Join(environment, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"),
	)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	// The engine gives up a run by cancelling the call, as after a resource that failed. Python would
	// answer SIGINT with a traceback, which would stand beside the true reason.
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = grace
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return command, nil
}

func orEmpty(values map[string]string) map[string]string {
	if values == nil {
		return map[string]string{}
	}
	return values
}

// environmentOf finds the program's virtual environment: the option `virtualenv` of its Pulumi.yaml.
func environmentOf(info *pulumirpc.ProgramInfo) (string, error) {
	given := ""
	if info != nil && info.Options != nil {
		given, _ = info.Options.AsMap()["virtualenv"].(string)
	}
	if given == "" {
		return "", errors.New("Pulumi.yaml names no virtual environment (runtime.options.virtualenv)")
	}
	if !filepath.IsAbs(given) {
		given = filepath.Join(info.RootDirectory, given)
	}
	if _, err := os.Stat(filepath.Join(given, "bin", "python")); err != nil {
		return "", fmt.Errorf("there is no Python environment at %s yet; make it with: make setup", given)
	}
	return given, nil
}

// pythonVersion reads what the environment says of its Python, without starting it.
func pythonVersion(environment string) string {
	file, err := os.Open(filepath.Join(environment, "pyvenv.cfg"))
	if err != nil {
		return ""
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), "=")
		switch strings.TrimSpace(key) {
		case "version", "version_info":
			return strings.TrimSpace(value)
		}
	}
	return ""
}
