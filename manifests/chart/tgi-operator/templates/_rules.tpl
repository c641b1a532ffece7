{{/*
Only the permissions that the operator uses. docs/operations.md gives the purpose of each rule.
These rules are needed in each watched namespace.
*/}}
{{- define "tgi-operator.namespaceRules" -}}
{{- if not .Values.watchNamespaces }}
- apiGroups: [tgi-operator.dev]
  resources: [tgiendpoints]
  verbs: [list, watch, patch]
{{- end }}
- apiGroups: [tgi-operator.dev]
  resources: [tgiendpoints/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- if has "inCluster" .Values.backends }}
# The following rules are for inCluster.
- apiGroups: [tgi-operator.dev]
  resources: [tgiendpoints/finalizers]
  verbs: [update]
{{- if ne (toString .Values.settings.requireLabels) "off" }}
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [get]
{{- end }}
- apiGroups: [""]
  resources: [events]
  verbs: [list]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch]
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [list]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [keda.sh]
  resources: [scaledobjects]
  verbs: [get, list, watch, create, patch, delete]
{{- $monitors := .Values.settings.monitorKind | default "PodMonitor" }}
{{- if eq $monitors "PodMonitor" }}
- apiGroups: [monitoring.coreos.com]
  resources: [podmonitors]
  verbs: [get, list, watch, create, patch]
{{- else if eq $monitors "PodMonitoring" }}
- apiGroups: [monitoring.googleapis.com]
  resources: [podmonitorings]
  verbs: [get, list, watch, create, patch]
{{- end }}
{{- if not (kindIs "invalid" .Values.networkPolicy.servingPodsFrom) }}
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
{{- end }}
{{- end -}}

{{/* Rules for objects without a namespace or in namespaces that are not watched. */}}
{{- define "tgi-operator.clusterRules" -}}
{{- if not .Values.settings.clusterId }}
- apiGroups: [""]
  resources: [namespaces]
  resourceNames: [kube-system]
  verbs: [get]
{{- end }}
{{- if has "inCluster" .Values.backends }}
- apiGroups: [""]
  resources: [nodes]
  verbs: [list]
{{- end }}
{{- if .Values.watchNamespaces }}
# Cluster-wide, because a namespace that is being deleted can lose its RoleBinding before the finalizer is removed.
- apiGroups: [tgi-operator.dev]
  resources: [tgiendpoints]
  verbs: [list, watch, patch]
{{- end }}
{{- if eq (toString .Values.settings.metricsAuth) "on" }}
- apiGroups: [authentication.k8s.io]
  resources: [tokenreviews]
  verbs: [create]
- apiGroups: [authorization.k8s.io]
  resources: [subjectaccessreviews]
  verbs: [create]
{{- end }}
{{- if and .Values.watchNamespaces .Values.rbac.freeGPUs (has "inCluster" .Values.backends) }}
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
{{- end }}
{{- end -}}
