// Package elasticsearch exports log records of Kubernetes' containers to Elasticsearch, each under an identifier that
// follows from where it was read: what is sent twice is stored once.
package elasticsearch

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
)

// Config is the exporter's part of the collector's configuration.
type Config struct {
	Endpoint string `mapstructure:"endpoint"`
	// CAFile has the certificate authority of the endpoint. It is read again after a connection failed.
	CAFile string `mapstructure:"ca_file"`
	User   string `mapstructure:"user"`
	// PasswordFile is read for each request: a new password needs no restart.
	PasswordFile string `mapstructure:"password_file"`
	// Environment is that of BaseNamespace; another environment's namespace is BaseNamespace, a hyphen and its name.
	Environment   string `mapstructure:"environment"`
	BaseNamespace string `mapstructure:"base_namespace"`
	// Index is what the names of indices begin with.
	Index string `mapstructure:"index"`
	// TemplateFile has the template of the indices, which is put into Elasticsearch before the first line; empty: somebody
	// else does that.
	TemplateFile string `mapstructure:"template_file"`

	Timeout exporterhelper.TimeoutConfig                             `mapstructure:",squash"`
	Queue   configoptional.Optional[exporterhelper.QueueBatchConfig] `mapstructure:"sending_queue"`
	Retry   configretry.BackOffConfig                                `mapstructure:"retry_on_failure"`
}

// Validate refuses a configuration that lacks something.
func (c *Config) Validate() error {
	for name, value := range map[string]string{
		"endpoint": c.Endpoint, "user": c.User, "password_file": c.PasswordFile, "environment": c.Environment,
		"base_namespace": c.BaseNamespace, "index": c.Index,
	} {
		if value == "" {
			return errors.New(name + " is not set")
		}
	}
	return nil
}

// NewFactory is what the collector makes the exporter with.
func NewFactory() exporter.Factory {
	return exporter.NewFactory(
		component.MustNewType("elasticsearch"),
		func() component.Config {
			retry := configretry.NewDefaultBackOffConfig()
			// Until Elasticsearch takes it: what waits is on the disk.
			retry.MaxElapsedTime = 0
			return &Config{
				Timeout: exporterhelper.TimeoutConfig{Timeout: 30 * time.Second},
				Queue:   configoptional.Default(exporterhelper.NewDefaultQueueConfig()),
				Retry:   retry,
			}
		},
		exporter.WithLogs(newLogs, component.StabilityLevelStable),
	)
}

func newLogs(ctx context.Context, set exporter.Settings, config component.Config) (exporter.Logs, error) {
	c := config.(*Config)
	sender := &sender{config: c, log: set.Logger}
	return exporterhelper.NewLogs(ctx, set, c, sender.send,
		exporterhelper.WithCapabilities(consumer.Capabilities{MutatesData: false}),
		exporterhelper.WithTimeout(c.Timeout),
		exporterhelper.WithQueue(c.Queue),
		exporterhelper.WithRetry(c.Retry),
	)
}
