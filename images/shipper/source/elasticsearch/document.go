package elasticsearch

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// What Airflow calls a field, and what the document does. Other fields are in `extra`.
var texts = map[string]string{
	"event": "message", "level": "level", "logger": "logger",
	"dag_id": "dag_id", "task_id": "task_id", "run_id": "run_id", "ti_id": "ti_id",
	"timestamp": "timestamp", "final_state": "final_state",
}

var numbers = []string{"try_number", "map_index"}

// document is one line of a container's log as it is stored.
type document struct {
	index, id string
	source    map[string]any
}

// newDocument has the environment from the namespace, which no pod can choose, and dag, task and run from the line.
func newDocument(c *Config, resource pcommon.Resource, record plog.LogRecord) document {
	read := func(from pcommon.Map, key string) string {
		if value, ok := from.Get(key); ok {
			return value.AsString()
		}
		return ""
	}
	attributes := resource.Attributes()
	namespace := read(attributes, "k8s.namespace.name")
	environment := strings.TrimPrefix(namespace, c.BaseNamespace+"-")
	if namespace == c.BaseNamespace {
		environment = c.Environment
	}
	container, pod := read(attributes, "k8s.container.name"), read(attributes, "k8s.pod.name")
	uid, restart := read(attributes, "k8s.pod.uid"), read(attributes, "k8s.container.restart_count")
	offset, _ := strconv.ParseInt(read(record.Attributes(), "log.file.record_offset"), 10, 64)
	at := record.Timestamp().AsTime().UTC()

	source := map[string]any{
		"@timestamp":  at.Format(time.RFC3339Nano),
		"sequence":    offset,
		"environment": environment,
		"namespace":   namespace,
		"pod":         pod,
		"container":   container,
		"stream":      read(record.Attributes(), "log.iostream"),
	}
	addLine(source, record.Body().AsString())
	addReading(source, at)
	// A file that the kubelet began anew has the offsets of the one before, but later times.
	origin := fmt.Sprintf("%s/%s/%s/%d/%d", uid, container, restart, at.UnixNano(), offset)
	sum := sha256.Sum256([]byte(origin))
	return document{
		index:  fmt.Sprintf("%s.%s.%s", c.Index, environment, at.Format("2006.01.02")),
		id:     base64.RawURLEncoding.EncodeToString(sum[:18]),
		source: source,
	}
}

// addLine takes a line of Airflow's JSON apart; any other is the message as it is.
func addLine(source map[string]any, line string) {
	fields := parse(line)
	if _, ok := fields["event"].(string); !ok {
		source["message"] = line
		return
	}
	extra := map[string]any{}
	for key, value := range fields {
		text, isText := value.(string)
		name, known := texts[key]
		switch {
		case known && isText:
			source[name] = text
		case key == "error_detail":
			if trace := traceback(value); trace != "" {
				source["traceback"] = trace
				// What Airflow's UI makes a traceback of.
				source[key] = value
			}
		case key == "duration" && isFinite(value):
			source[key] = value
		case isNumber(key):
			if number, err := strconv.ParseInt(fmt.Sprint(value), 10, 32); err == nil {
				source[key] = number
			}
		default:
			extra[key] = value
		}
	}
	if text, err := json.Marshal(extra); err == nil && len(extra) > 0 {
		source["extra"] = string(text)
	}
}

// addReading adds what Airflow's provider finds a try's lines by, and reads them in order by: it asks for those beyond an
// offset, so no two lines of a try may have the same. A try may have several pods, one after the other.
func addReading(source map[string]any, at time.Time) {
	try, isTry := source["try_number"]
	for _, key := range []string{"dag_id", "task_id", "run_id"} {
		_, isThere := source[key]
		isTry = isTry && isThere
	}
	if !isTry {
		return
	}
	mapIndex, isMapped := source["map_index"]
	if !isMapped {
		mapIndex = -1
	}
	source["log_id"] = fmt.Sprintf("%v-%v-%v-%v-%v", source["dag_id"], source["task_id"], source["run_id"], mapIndex, try)
	source["offset"] = at.UnixNano()
}

func isNumber(key string) bool {
	return key == numbers[0] || key == numbers[1]
}

// isFinite says whether a JSON number fits Elasticsearch's double; any other value of that name is in `extra`.
func isFinite(value any) bool {
	number, ok := value.(json.Number)
	if !ok {
		return false
	}
	_, err := number.Float64()
	return err == nil
}

func parse(line string) map[string]any {
	if !strings.HasPrefix(line, "{") {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader([]byte(line)))
	// Identifiers of 64 bits stay what they are.
	decoder.UseNumber()
	var fields map[string]any
	if decoder.Decode(&fields) != nil {
		return nil
	}
	return fields
}

// traceback writes Airflow's list of exceptions as Python does, in one text that can be searched.
func traceback(value any) string {
	var out strings.Builder
	for _, one := range items(value) {
		for _, frame := range items(one["frames"]) {
			fmt.Fprintf(&out, "  File \"%v\", line %v, in %v\n", frame["filename"], frame["lineno"], frame["name"])
		}
		fmt.Fprintf(&out, "%v: %v\n", one["exc_type"], one["exc_value"])
	}
	return out.String()
}

func items(value any) []map[string]any {
	list, _ := value.([]any)
	var found []map[string]any
	for _, one := range list {
		if fields, ok := one.(map[string]any); ok {
			found = append(found, fields)
		}
	}
	return found
}
