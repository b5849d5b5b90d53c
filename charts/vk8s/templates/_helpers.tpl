{{- /* The controller works in one namespace, whose name is fixed. */ -}}
{{- define "vk8s.check" -}}
{{- if ne .Release.Namespace "vk8s-system" -}}
{{- fail (printf "namespace %q: the operator runs in vk8s-system: add --namespace vk8s-system --create-namespace" .Release.Namespace) -}}
{{- end -}}
{{- if and .Values.registryCa (not .Values.registryMirror) (not .Values.addons) -}}
{{- fail "registryCa is set and neither registryMirror nor addons is: it is for these" -}}
{{- end -}}
{{- if and .Values.addons (not .Values.registryCa) -}}
{{- fail "addons are set and registryCa is not: their registry is trusted by no other CA" -}}
{{- end -}}
{{- end -}}

{{- define "vk8s.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* The controller's configuration file: its flags, as TOML. JSON strings are TOML strings. */ -}}
{{- define "vk8s.config" -}}
{{- $images := list -}}
{{- range $version, $image := .Values.vnodeImages -}}
{{- $images = append $images (printf "%s=%s" $version $image) -}}
{{- end -}}
{{- if $images -}}
vnode-image = {{ toJson $images }}
{{ end -}}
{{- $addons := list -}}
{{- range $name, $reference := .Values.addons -}}
{{- $addons = append $addons (printf "%s=%s" $name $reference) -}}
{{- end -}}
{{- if $addons -}}
addon = {{ toJson $addons }}
{{ end -}}
{{- with .Values.addonPullSecret -}}
addon-pull-secret = {{ toJson . }}
{{ end -}}
{{- with .Values.imageRegistry -}}
image-registry = {{ toJson . }}
{{ end -}}
{{- with .Values.vnodeImagePrefixes -}}
vnode-image-prefix = {{ toJson . }}
{{ end -}}
{{- with .Values.registryMirror -}}
registry-mirror = {{ toJson . }}
{{ end -}}
{{- if .Values.registryCa -}}
registry-ca = "/etc/vk8s-controller/registry-ca.crt"
{{ end -}}
{{- if .Values.tolerateControlPlane -}}
tolerate-control-plane = true
{{ end -}}
{{- end -}}
