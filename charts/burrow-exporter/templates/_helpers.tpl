{{- define "burrow-exporter.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The release's name, plus the chart's unless it is already part of it. */}}
{{- define "burrow-exporter.fullname" -}}
{{- $name := include "burrow-exporter.name" . }}
{{- $both := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) }}
{{- .Values.fullnameOverride | default $both | trunc 45 | trimSuffix "-" }}
{{- end }}

{{- define "burrow-exporter.selector" -}}
app.kubernetes.io/name: {{ include "burrow-exporter.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "burrow-exporter.labels" -}}
{{ include "burrow-exporter.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "burrow-exporter.serviceAccount" -}}
{{- $default := .Values.serviceAccount.create | ternary (include "burrow-exporter.fullname" .) "default" }}
{{- .Values.serviceAccount.name | default $default }}
{{- end }}

{{/* Scrape settings shared by ServiceMonitor and PodMonitor. */}}
{{- define "burrow-exporter.endpoint" -}}
port: metrics
interval: {{ .monitor.interval }}
# `cluster` is the Kafka cluster: a target label of the same name must not replace it.
honorLabels: true
relabelings:
  - targetLabel: job
    replacement: burrow # as rules and dashboards have it
  {{- if eq (int .root.Values.replicas) 1 }}
  - targetLabel: instance
    replacement: {{ include "burrow-exporter.fullname" .root }} # the pods' names and addresses come and go: series stay
  {{- else }}
  - sourceLabels: [pod]
    targetLabel: instance
  {{- end }}
  - action: labeldrop
    regex: container|endpoint|pod|service
{{- with .monitor.endpoint }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "burrow-exporter.image" -}}
{{- with .Values.image }}
{{- .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/*
A probe requests `path`. With a web config it runs the exporter's own health check instead, as the kubelet has neither
password nor certificate, and the local health check needs none. It starts Python each time, so it runs less often.
*/}}
{{- define "burrow-exporter.probe" -}}
{{- if .root.Values.webConfig.secret -}}
exec:
  command: [burrow-exporter, healthcheck]
periodSeconds: 30
timeoutSeconds: 10
{{- else -}}
httpGet:
  path: {{ .path }}
  port: metrics
periodSeconds: {{ .period }}
timeoutSeconds: 5
{{- end }}
{{- end }}

{{/* The exporter's configuration file; its first Burrow is the chart's own, if enabled. */}}
{{- define "burrow-exporter.config" -}}
{{- $config := deepCopy .Values.config }}
{{- with .Values.policy }}
{{- $_ := set $config "policy" . }}
{{- end }}
{{- if .Values.burrow.enabled }}
{{- $address := printf "http://%s-burrow:8000" (include "burrow-exporter.fullname" .) }}
{{- $first := merge (dict "addresses" (list $address)) (first $config.burrows) }}
{{- with .Values.burrow.allowedLag }}
{{- $_ := set $first "allowed_lag" . }}
{{- end }}
{{- $_ := set $config "burrows" (prepend (rest $config.burrows) $first) }}
{{- end }}
{{- toYaml $config }}
{{- end }}

{{- define "burrow-exporter.burrow.selector" -}}
app.kubernetes.io/name: burrow
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "burrow-exporter.burrow.metadata" -}}
name: {{ include "burrow-exporter.fullname" . }}-burrow
namespace: {{ .Release.Namespace | quote }}
labels:
  {{- include "burrow-exporter.burrow.labels" . | nindent 2 }}
{{- end }}

{{- define "burrow-exporter.burrow.labels" -}}
{{ include "burrow-exporter.burrow.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
Burrow's configuration. compose/templates/secrets/burrow/burrow.toml explains the values; tests compare both. The pod
inserts user names and passwords from the Secrets.
*/}}
{{- define "burrow-exporter.burrow.toml" -}}
[general]
pidfile = "/run/burrow/burrow.pid"

[logging]
level = "warn"

[storage.memory]
class-name = "inmemory"
intervals = 10
min-distance = 10
expire-group = 604800

[evaluator.caching]
class-name = "caching"
expire-cache = 5
allowed-lag = {{ .Values.burrow.allowedLag | int64 }}
minimum-complete = 0.0

[httpserver.exporter]
address = ":8000"
{{- range .Values.burrow.clusters }}
{{- $name := .name }}
{{- $folder := printf "/etc/burrow/secrets/%s" $name }}

[client-profile.{{ $name }}]
client-id = "burrow"
dial-timeout = 10
kafka-version = "2.8.0"
{{- if ne .auth "plaintext" }}
tls = {{ $name | quote }}
{{- end }}
{{- if hasPrefix "scram" .auth }}
sasl = {{ $name | quote }}
{{- else if eq .auth "iam" }}
iam = {{ $name | quote }}
{{- end }}
{{- if ne .auth "plaintext" }}

[tls.{{ $name }}]
{{- if .ca }}
cafile = "{{ $folder }}/ca.pem"
{{- else if .clientCertificate }}
cafile = "/etc/ssl/certs/ca-certificates.crt"
{{- end }}
{{- if .clientCertificate }}
certfile = "{{ $folder }}/cert.pem"
keyfile = "{{ $folder }}/key.pem"
{{- end }}
noverify = {{ .skipVerify | default false }}
{{- end }}
{{- if hasPrefix "scram" .auth }}

[sasl.{{ $name }}]
mechanism = {{ .auth | upper | quote }}
handshake-first = true
username = "@{{ $name }}/username@"
password = "@{{ $name }}/password@"
{{- else if eq .auth "iam" }}

[iam.{{ $name }}]
region = {{ .region | quote }}
{{- with .roleArn }}
role-arn = {{ . | quote }}
{{- end }}
{{- end }}

[cluster.{{ $name }}]
class-name = "kafka"
client-profile = {{ $name | quote }}
servers = {{ .servers | toJson }}
topic-refresh = 60
offset-refresh = 10

[consumer.{{ $name }}]
class-name = "kafka"
client-profile = {{ $name | quote }}
cluster = {{ $name | quote }}
servers = {{ .servers | toJson }}
group-allowlist = {{ .groupsAllowed | default "" | toJson }}
group-denylist = {{ .groupsDenied | default "" | toJson }}
start-latest = false
backfill-earliest = false
{{- end }}
{{- end }}
