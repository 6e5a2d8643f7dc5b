{{- define "burrow-exporter.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The release's name, and the chart's unless it stands in it already. */}}
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

{{/* What a monitor does at the scrape; the same for services and pods. */}}
{{- define "burrow-exporter.endpoint" -}}
port: metrics
interval: {{ .monitor.interval }}
# `cluster` is which Kafka cluster: a label of the same name on the target must not take its place.
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
A probe asks `path`. With a web config it cannot: the kubelet has neither password nor certificate. The exporter's own
health check is let in without, as it comes from inside; it starts a Python each time, so it is run less often.
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
