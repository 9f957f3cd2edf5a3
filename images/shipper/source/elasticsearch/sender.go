package elasticsearch

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"
)

// sender brings batches to Elasticsearch's bulk API.
type sender struct {
	config *Config
	log    *zap.Logger

	lock     sync.Mutex
	client   *http.Client
	prepared bool
}

// line is a record with what its copy needs, should it have to be sent again.
type line struct {
	resource pcommon.Resource
	record   plog.LogRecord
}

// send answers with an error that carries what must be sent again, and nothing else of the batch.
func (s *sender) send(ctx context.Context, logs plog.Logs) error {
	var lines []line
	for i := range logs.ResourceLogs().Len() {
		of := logs.ResourceLogs().At(i)
		for j := range of.ScopeLogs().Len() {
			records := of.ScopeLogs().At(j).LogRecords()
			for k := range records.Len() {
				lines = append(lines, line{of.Resource(), records.At(k)})
			}
		}
	}
	if len(lines) == 0 {
		return nil
	}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	for _, one := range lines {
		found := newDocument(s.config, one.resource, one.record)
		action := map[string]any{"create": map[string]string{"_index": found.index, "_id": found.id}}
		if err := errors.Join(encoder.Encode(action), encoder.Encode(found.source)); err != nil {
			return consumererror.NewPermanent(err)
		}
	}
	statuses, err := s.post(ctx, &body, len(lines))
	if err != nil {
		s.log.Warn("Lines wait for Elasticsearch", zap.Int("lines", len(lines)), zap.Error(err))
		return err
	}
	return s.again(lines, statuses)
}

// again sorts out who was busy. What exists already was sent before; what is refused would be refused for ever.
func (s *sender) again(lines []line, statuses []item) error {
	failed := plog.NewLogs()
	for i, one := range statuses {
		switch {
		case one.Status < 300 || one.Status == http.StatusConflict:
		case one.Status == http.StatusTooManyRequests || one.Status >= 500 || one.Status == http.StatusForbidden:
			// Forbidden: a role is being changed.
			to := failed.ResourceLogs().AppendEmpty()
			lines[i].resource.CopyTo(to.Resource())
			lines[i].record.CopyTo(to.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty())
		default:
			s.log.Error("Elasticsearch refuses a line for good",
				zap.Int("status", one.Status), zap.ByteString("error", one.Error))
		}
	}
	if count := failed.LogRecordCount(); count > 0 {
		return consumererror.NewLogs(fmt.Errorf("Elasticsearch did not take %d of %d lines", count, len(lines)), failed)
	}
	return nil
}

type item struct {
	Status int             `json:"status"`
	Error  json.RawMessage `json:"error"`
}

// prepare puts the template of the indices there, once: an index that came first would guess what its fields are.
func (s *sender) prepare(ctx context.Context) error {
	s.lock.Lock()
	done := s.prepared || s.config.TemplateFile == ""
	s.lock.Unlock()
	if done {
		return nil
	}
	template, err := os.ReadFile(s.config.TemplateFile)
	if err != nil {
		return err
	}
	if _, err := s.ask(ctx, http.MethodPut, "/_index_template/"+s.config.Index, "application/json", bytes.NewReader(template)); err != nil {
		return fmt.Errorf("the template of the indices: %w", err)
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	s.prepared = true
	return nil
}

func (s *sender) post(ctx context.Context, body io.Reader, count int) ([]item, error) {
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	text, err := s.ask(ctx, http.MethodPost, "/_bulk?filter_path=items.*.status,items.*.error", "application/x-ndjson", body)
	if err != nil {
		return nil, err
	}
	var found struct {
		Items []map[string]item `json:"items"`
	}
	if err := json.Unmarshal(text, &found); err != nil {
		return nil, err
	}
	statuses := make([]item, 0, count)
	for _, one := range found.Items {
		statuses = append(statuses, one["create"])
	}
	if len(statuses) != count {
		return nil, fmt.Errorf("Elasticsearch answers for %d of %d lines", len(statuses), count)
	}
	return statuses, nil
}

// ask is one request; an answer that says no is an error, too.
func (s *sender) ask(ctx context.Context, method, path, form string, body io.Reader) ([]byte, error) {
	client, err := s.connection()
	if err != nil {
		return nil, err
	}
	password, err := os.ReadFile(s.config.PasswordFile)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, s.config.Endpoint+path, body)
	if err != nil {
		return nil, consumererror.NewPermanent(err)
	}
	request.Header.Set("Content-Type", form)
	request.SetBasicAuth(s.config.User, strings.TrimRight(string(password), "\n"))
	answer, err := client.Do(request)
	if err != nil {
		s.forget(client)
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode >= 300 {
		// Also where it says that nobody may: a password is changed on one side first.
		return nil, fmt.Errorf("Elasticsearch answers %d: %.500s", answer.StatusCode, text)
	}
	return text, nil
}

func (s *sender) connection() (*http.Client, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.client != nil {
		return s.client, nil
	}
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.config.CAFile != "" {
		authority, err := os.ReadFile(s.config.CAFile)
		if err != nil {
			return nil, err
		}
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(authority) {
			return nil, fmt.Errorf("%s has no certificate", s.config.CAFile)
		}
	}
	s.client = &http.Client{Transport: &http.Transport{TLSClientConfig: trust, IdleConnTimeout: time.Minute}}
	return s.client, nil
}

// forget has the next request read the certificate authority again.
func (s *sender) forget(client *http.Client) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.client == client {
		s.client.CloseIdleConnections()
		s.client = nil
	}
}
