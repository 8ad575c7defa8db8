{{/* Names: the release's, cut so that suffixes fit into a DNS label. */}}
{{- define "nearkv.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 32 | trimSuffix "-" -}}
{{- end -}}

{{- define "nearkv.fullname" -}}
{{- $name := include "nearkv.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 32 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 32 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 32 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Of the objects of the whole cluster, which two releases of one name would share. */}}
{{- define "nearkv.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "nearkv.fullname" .) -}}
{{- end -}}

{{- define "nearkv.operatorName" -}}{{ include "nearkv.fullname" . }}-operator{{- end -}}
{{- define "nearkv.edgeName" -}}{{ include "nearkv.fullname" . }}-edge{{- end -}}

{{- define "nearkv.operatorAccount" -}}
{{- if .Values.operator.serviceAccount.create -}}
{{- default (include "nearkv.operatorName" .) .Values.operator.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.operator.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "nearkv.edgeAccount" -}}
{{- if .Values.edge.serviceAccount.create -}}
{{- default (include "nearkv.edgeName" .) .Values.edge.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.edge.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Labels that select pods: they cannot be changed afterwards. `kubectl kv` finds the Services by them. */}}
{{- define "nearkv.selector" -}}
app.kubernetes.io/name: nearkv
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- with .region }}
nearkv.dev/region: {{ . }}
{{- end }}
{{- end -}}

{{- define "nearkv.commonLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: nearkv
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* `metadata` of an object: {root, name, component, region?, cluster?, labels?, annotations?}. */}}
{{- define "nearkv.metadata" -}}
name: {{ .name }}
{{- if not .cluster }}
namespace: {{ default .root.Release.Namespace .namespace }}
{{- end }}
labels:
  {{- include "nearkv.selector" . | nindent 2 }}
  {{- include "nearkv.commonLabels" .root | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (default (dict) .annotations) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* An image: {root, image}. */}}
{{- define "nearkv.image" -}}
{{- $name := printf "%s/%s" .root.Values.image.registry .image.name -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (.image.tag | default .root.Values.image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* Pod Security "restricted", and more: nothing can be written but temporary files, and the user is a number without a
name. */}}
{{- define "nearkv.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "nearkv.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Where a long value of a bulk over REST is set aside, in a file without a name (docs/rest.md). */}}
{{- define "nearkv.temporaryMount" -}}
- {name: temporary, mountPath: /tmp}
{{- end -}}

{{- define "nearkv.temporaryVolume" -}}
- {name: temporary, emptyDir: {}}
{{- end -}}

{{/* Where an edge keeps its snapshots. On a claim that all share, each region has a folder. */}}
{{- define "nearkv.snapshotMount" -}}
{{- $claim := .values.persistentVolumeClaim -}}
{{- if and $claim.enabled $claim.existingClaim -}}
- {name: snapshots, mountPath: /snapshots, subPath: {{ .region }}}
{{- else -}}
- {name: snapshots, mountPath: /snapshots}
{{- end -}}
{{- end -}}

{{/* A Deployment's pods have no claims of their own as a StatefulSet's do, and need none: an edge is nobody in particular.
What it holds is worth keeping over the end of a container, and a new pod can begin with anybody's. */}}
{{- define "nearkv.snapshotVolume" -}}
{{- $claim := .persistentVolumeClaim -}}
{{- if not $claim.enabled -}}
- {name: snapshots, emptyDir: {sizeLimit: {{ .size }}}}
{{- else if $claim.existingClaim -}}
- {name: snapshots, persistentVolumeClaim: {claimName: {{ $claim.existingClaim }}}}
{{- else -}}
- name: snapshots
  ephemeral:
    volumeClaimTemplate:
      spec:
        accessModes: {{ toJson $claim.accessModes }}
        {{- with $claim.storageClassName }}
        storageClassName: {{ . }}
        {{- end }}
        resources: {requests: {storage: {{ .size }}}}
{{- end -}}
{{- end -}}

{{/* Probes of a component on its admin port. */}}
{{- define "nearkv.probes" -}}
livenessProbe:
  httpGet: {path: /livez, port: admin}
  {{- toYaml .livenessProbe | nindent 2 }}
readinessProbe:
  httpGet: {path: /readyz, port: admin}
  {{- toYaml .readinessProbe | nindent 2 }}
{{- end -}}

{{/* What all pods have, of a component's values: {root, values, selector}. */}}
{{- define "nearkv.podSpec" -}}
securityContext:
  {{- include "nearkv.podSecurity" . | nindent 2 }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- /* The servers' own limit for requests in flight is 20 s, and some more is for what follows. */}}
terminationGracePeriodSeconds: {{ add .values.shutdownDelaySeconds 30 }}
topologySpreadConstraints:
  {{- with .values.topologySpreadConstraints }}
  {{- toYaml . | nindent 2 }}
  {{- else }}
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "nearkv.selector" .selector | nindent 8 }}
  {{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The URL that edges ask. */}}
{{- define "nearkv.originUrl" -}}
{{- if .Values.edge.origin.url -}}
{{- .Values.edge.origin.url -}}
{{- else if .Values.operator.enabled -}}
{{- $scheme := ternary "https" "http" (ne .Values.operator.tls.secretName "") -}}
{{- printf "%s://%s.%s.svc:%v" $scheme (include "nearkv.operatorName" .) .Release.Namespace .Values.operator.service.port -}}
{{- else -}}
{{- fail "without an operator the edges need an origin: set edge.origin.url" -}}
{{- end -}}
{{- end -}}

{{/* The URL of a Service of edges: {root, name}. */}}
{{- define "nearkv.edgeUrl" -}}
{{- $values := .root.Values.edge -}}
{{- $scheme := ternary "https" "http" (ne $values.tls.secretName "") -}}
{{- printf "%s://%s.%s.svc:%v" $scheme .name .root.Release.Namespace $values.service.port -}}
{{- end -}}

{{/* A token that the kubelet keeps fresh, good for nearkv and nothing else. */}}
{{- define "nearkv.tokenVolume" -}}
name: token
projected:
  sources:
    - serviceAccountToken: {audience: nearkv, path: token, expirationSeconds: 3600}
{{- end -}}
