{{/* The address that people type; with a host it follows from that, and a `baseUrl` may add a folder. */}}
{{- define "airflow.ui.baseUrl" -}}
{{- with .Values.ui }}
{{- $own := printf "https://%s" .host }}
{{- if and .host .baseUrl (ne .baseUrl $own) (not (hasPrefix (printf "%s/" $own) .baseUrl)) }}
{{- fail (printf "ui.baseUrl is %s, and ui.host %s: it must be %s, or begin with %s/" .baseUrl .host $own $own) }}
{{- end }}
{{- if .baseUrl }}
{{- .baseUrl }}
{{- else if .host }}
{{- $own }}
{{- end }}
{{- end }}
{{- end }}

{{/* The Secret that the controller takes the certificate from; none where a load balancer has it. */}}
{{- define "airflow.ui.certificate" -}}
{{- with .Values.ui.ingress }}
{{- if ne 1 (len (compact (list .certificateArn .issuer .secret))) }}
{{- fail "ui.host needs a certificate: set exactly one of ui.ingress.certificateArn, ui.ingress.issuer and ui.ingress.secret" }}
{{- end }}
{{- if .issuer }}
{{- printf "%s-tls" (include "airflow.name.apiServer" $) }}
{{- else }}
{{- .secret }}
{{- end }}
{{- end }}
{{- end }}

{{/* What tells the AWS Load Balancer Controller, cert-manager or Traefik what to do. The user's own win. */}}
{{- define "airflow.ui.annotations" -}}
{{- $annotations := dict }}
{{- with .Values.ui.ingress }}
{{- if .certificateArn }}
{{- $annotations = dict
  "alb.ingress.kubernetes.io/scheme" "internal"
  "alb.ingress.kubernetes.io/target-type" "ip"
  "alb.ingress.kubernetes.io/certificate-arn" .certificateArn
  "alb.ingress.kubernetes.io/listen-ports" `[{"HTTP": 80}, {"HTTPS": 443}]`
  "alb.ingress.kubernetes.io/ssl-redirect" "443"
  "alb.ingress.kubernetes.io/ssl-policy" "ELBSecurityPolicy-TLS13-1-2-2021-06"
  "alb.ingress.kubernetes.io/healthcheck-path" "/api/v2/version"
}}
{{- if .loadBalancerGroup }}
{{- $_ := set $annotations "alb.ingress.kubernetes.io/group.name" .loadBalancerGroup }}
{{- end }}
{{- else if hasPrefix "Issuer/" .issuer }}
{{- $annotations = dict "cert-manager.io/issuer" (trimPrefix "Issuer/" .issuer) }}
{{- else if .issuer }}
{{- $annotations = dict "cert-manager.io/cluster-issuer" .issuer }}
{{- end }}
{{- if .plainHttp }}
{{- $_ := set $annotations "traefik.ingress.kubernetes.io/router.tls" "true" }}
{{- end }}
{{- toYaml (merge dict .annotations $annotations) }}
{{- end }}
{{- end }}

{{/* What both Ingresses have: who serves them, and what they lead to. */}}
{{- define "airflow.ui.way" -}}
{{- with .Values.ui.ingress.className }}
ingressClassName: {{ . }}
{{- end }}
rules:
  - host: {{ .Values.ui.host }}
    http:
      paths:
        - path: {{ (urlParse (include "airflow.ui.baseUrl" .)).path | trimSuffix "/" | default "/" }}
          pathType: Prefix
          backend:
            service:
              name: {{ include "airflow.name.apiServer" . }}
              port: {name: http}
{{- end }}
