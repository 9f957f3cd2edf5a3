{{/*
Whom alerts are sent to: one contact point with a part for each way, and the policy that takes all alerts to it. What is
secret is in files that Grafana reads; in the file here is only where they are.
*/}}

{{/* Empty: nobody. Grafana's own policy then has a contact point that goes nowhere. */}}
{{- define "monitoring.grafana.receivers" -}}
{{- with .Values.grafana.contacts }}
{{- with .email.addresses }}
- uid: aerodrome-email
  type: email
  settings:
    addresses: {{ join ";" . | quote }}
{{- end }}
{{- if .slack }}
- uid: aerodrome-slack
  type: slack
  settings:
    url: $__file{/run/secrets/contacts/slack-url}
{{- end }}
{{- if ne .webhook "none" }}
- uid: aerodrome-webhook
  type: webhook
  settings:
    url: $__file{/run/secrets/contacts/webhook-url}
    httpMethod: POST
    {{- if eq .webhook "token" }}
    authorization_scheme: Bearer
    authorization_credentials: $__file{/run/secrets/contacts/webhook-token}
    {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "monitoring.grafana.contacts" -}}
{{- with include "monitoring.grafana.receivers" . | trim -}}
apiVersion: 1
contactPoints:
  - orgId: 1
    name: Aerodrome
    receivers:
      {{- . | nindent 6 }}
policies:
  - orgId: 1
    receiver: Aerodrome
    # One message for all of an alert's series of an environment.
    group_by: [grafana_folder, alertname, environment]
{{- end }}
{{- end }}

{{/* The keys of the Secret that are needed, as JSON. */}}
{{- define "monitoring.grafana.contactKeys" -}}
{{- $keys := list -}}
{{- with .Values.grafana.contacts -}}
{{- if and .email.addresses .email.user }}{{ $keys = append $keys "smtp-password" }}{{ end -}}
{{- if .slack }}{{ $keys = append $keys "slack-url" }}{{ end -}}
{{- if ne .webhook "none" }}{{ $keys = append $keys "webhook-url" }}{{ end -}}
{{- if eq .webhook "token" }}{{ $keys = append $keys "webhook-token" }}{{ end -}}
{{- end -}}
{{- toJson $keys -}}
{{- end }}

{{/* The server that takes e-mail, as variables. Who logs in does so by TLS, or not at all. */}}
{{- define "monitoring.grafana.smtp" -}}
{{- with .Values.grafana.contacts.email -}}
{{- if .addresses -}}
{{- $settings := dict
  "ENABLED" "true"
  "HOST" (printf "%s:%d" (required "grafana.contacts.email.host: the server that takes e-mail" .host) (int .port))
  "FROM_ADDRESS" (required "grafana.contacts.email.from: whom alerts are from" .from)
  "FROM_NAME" "Aerodrome"
  "STARTTLS_POLICY" (ternary "MandatoryStartTLS" "OpportunisticStartTLS" (ne .user ""))
-}}
{{- with .user -}}
{{- $_ := set $settings "USER" . -}}
{{- $_ := set $settings "PASSWORD__FILE" "/run/secrets/contacts/smtp-password" -}}
{{- end -}}
{{- range $name, $value := $settings }}
- {name: GF_SMTP_{{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
