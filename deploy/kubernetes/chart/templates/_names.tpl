{{- define "cxr.labels" -}}
app.kubernetes.io/name: cxr
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "cxr.selector" -}}
app.kubernetes.io/name: cxr
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: api
{{- end -}}

{{- define "cxr.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ .image.tag | default .version }}
{{- end -}}
{{- end -}}

{{- define "cxr.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "cxr.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- /* What contradicts itself is refused here, before the cluster or the service would. */ -}}
{{- define "cxr.check" -}}
{{- if and (eq .Values.spool.kind "sqlite") (or .Values.autoscaling.enabled (ne (int .Values.replicas) 1)) -}}
{{- fail "spool.kind sqlite is for one process: set replicas to 1 and autoscaling.enabled to false, or spool.kind to postgresql" -}}
{{- end -}}
{{- if and .Values.jobs.claim (eq .Values.spool.kind "none") -}}
{{- fail "jobs.claim needs a spool, for there are no jobs without DICOMweb: set spool.kind, or leave jobs.claim empty" -}}
{{- end -}}
{{- if and (eq .Values.models.source "volume") (not .Values.models.claim) -}}
{{- fail "models.source volume needs models.claim, the name of a PersistentVolumeClaim" -}}
{{- end -}}
{{- if and (eq .Values.models.source "address") (not .Values.models.address) -}}
{{- fail "models.source address needs models.address, e.g. oci://registry/cxr@sha256:…" -}}
{{- end -}}
{{- if and (not .Values.keys.secret) (ne (toString (get .Values.settings "CXR_ALLOW_ANONYMOUS")) "true") -}}
{{- fail "keys.secret is empty: name a Secret, or set settings.CXR_ALLOW_ANONYMOUS to true where a gateway checks every caller" -}}
{{- end -}}
{{- if gt (int .Values.autoscaling.min) (int .Values.autoscaling.max) -}}
{{- fail "autoscaling.min is larger than autoscaling.max" -}}
{{- end -}}
{{- end -}}
