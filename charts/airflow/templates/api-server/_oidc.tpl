{{/*
What the image's aerodrome_oidc.py reads: items of `env`. The api-server alone has the client's secret, and logs people in.
Nothing, where there is no provider: then accounts are in Airflow's database.
*/}}
{{- define "airflow.oidc.environment" -}}
{{- with .Values.oidc }}
{{- if .issuer }}
{{- $groups := (fromJson (default "{}" $.Values.access)).groups | default dict }}
{{- range $name, $value := dict
  "AIRFLOW__CORE__AUTH_MANAGER" "aerodrome_oidc_login.AuthManager"
  "AERODROME_OIDC_ISSUER" .issuer
  "AERODROME_OIDC_CLIENT_ID" (required "oidc.clientId: Airflow's name at the provider" .clientId)
  "AERODROME_OIDC_SCOPES" .scopes
  "AERODROME_OIDC_GROUPS_CLAIM" .groupsClaim
  "AERODROME_OIDC_USER_CLAIM" .userClaim
  "AERODROME_OIDC_CHECK_SECONDS" (toString .checkSeconds)
  "AERODROME_OIDC_GROUPS" (toJson $groups)
}}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
- name: AERODROME_OIDC_CLIENT_SECRET
  valueFrom:
    secretKeyRef:
      name: {{ required "secrets.oidc: the Secret with client-secret" $.Values.secrets.oidc }}
      key: client-secret
{{- end }}
{{- end }}
{{- end }}
