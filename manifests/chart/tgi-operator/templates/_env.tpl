{{/* The operator's environment variables. A setting that is not in the values keeps the operator's default. */}}
{{- define "tgi-operator.env" -}}
- name: TGI_OPERATOR_IMAGE
  value: {{ include "tgi-operator.image" . | quote }}
- name: TGI_OPERATOR_BACKENDS
  value: {{ uniq .Values.backends | join "," | quote }}
{{- with .Values.watchNamespaces }}
- name: TGI_OPERATOR_WATCH_NAMESPACES
  value: {{ uniq . | join "," | quote }}
{{- end }}
{{- with .Values.aws.regions }}
- name: TGI_OPERATOR_AWS_REGIONS
  value: {{ uniq . | join "," | quote }}
{{- end }}
{{- with .Values.allowedServiceAnnotations }}
- name: TGI_OPERATOR_SERVICE_ANNOTATIONS
  value: {{ uniq . | join "," | quote }}
{{- end }}
{{- if not (kindIs "invalid" .Values.networkPolicy.servingPodsFrom) }}
- name: TGI_OPERATOR_SERVING_PODS_FROM
  value: {{ uniq .Values.networkPolicy.servingPodsFrom | join "," | quote }}
{{- end }}
{{- range $name, $value := .Values.settings }}
- name: TGI_OPERATOR_{{ snakecase $name | upper }}
  {{- if kindIs "map" $value }}
  value: {{ toJson $value | quote }}
  {{- else }}
  value: {{ $value | toString | quote }}
  {{- end }}
{{- end }}
{{- if or .Values.allowedRoles .Values.allowedEndpointNames }}
- name: TGI_OPERATOR_ALLOWED_ROLES_FILE
  value: /etc/tgi-operator/roles.yaml
{{- end }}
{{- if not .Values.aws.instanceMetadata }}
# If the operator does not have its own role, it must not use the role of its node.
- name: AWS_EC2_METADATA_DISABLED
  value: "true"
{{- end }}
- name: AWS_STS_REGIONAL_ENDPOINTS
  value: regional
{{- with .Values.aws.region }}
- name: AWS_REGION
  value: {{ . | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}
