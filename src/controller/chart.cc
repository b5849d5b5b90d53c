#include "controller/chart.h"

#include <fmt/format.h>

#include "controller/manifests.h"
#include "kube/yaml_writer.h"

namespace vk8s::controller {
namespace {

// A place in a manifest where the chart has a value: stands for it in the JSON,
// and is found again in the YAML.
struct Placeholder {
  std::string_view in_yaml;
  std::string_view in_chart;
};

constexpr Placeholder kPlaceholders[] = {
    {R"("$image$")", R"({{ include "vk8s.image" . | quote }})"},
    {R"("$replicas$")", "{{ .Values.replicas }}"},
    {R"("$ip-manager-replicas$")", "{{ .Values.ipManager.replicas }}"},
    {R"( "$ip-manager-resources$")", " {{- toYaml .Values.ipManager.resources | nindent 10 }}"},
    {R"( "$resources$")", " {{- toYaml .Values.resources | nindent 10 }}"},
    {R"("$config$")", R"({{ include "vk8s.config" . | toJson }})"},
    // A change restarts the controller, which reads its configuration once.
    {R"("$config-checksum$")",
     R"({{ printf "%s%s" (include "vk8s.config" .) .Values.registryCa | sha256sum }})"},
    {"  registry-ca.crt: \"$registry-ca$\"\n",
     "{{- with .Values.registryCa }}\n"
     "  registry-ca.crt: {{ toJson . }}\n"
     "{{- end }}\n"},
    {"imagePullSecrets: \"$pull-secrets$\"\n",
     "{{- with .Values.imagePullSecrets }}\n"
     "imagePullSecrets:\n"
     "{{- toYaml . | nindent 0 }}\n"
     "{{- end }}\n"},
};

constexpr std::string_view kChart = R"(apiVersion: v2
name: vk8s
description: Virtual Kubernetes clusters in pods of this cluster, one Vk8s resource each.
type: application
version: {version}
appVersion: v{version}
# The validation rules of the CRD call cidr().
kubeVersion: ">=1.31.0-0"
)";

constexpr std::string_view kValues =
    R"(# The controller's image. A digest, if there is one, counts instead of the tag.
image:
  repository: {repository}
  tag: v{version}
  digest: ""

# Secrets of the namespace vk8s-system for pulling it, as in [{{name: my-registry}}].
imagePullSecrets: []

# The node image of each Kubernetes version, by digest:
#   "1.37": registry.example/vk8s/vnode@sha256:...
vnodeImages: {{}}

# The registry of the node images of versions that are not in vnodeImages.
imageRegistry: ""

# What the names of other node images may begin with; by default no others are allowed.
vnodeImagePrefixes: []

# URL of the registry that nodes ask first for the images of their pods, and the PEM text of who
# signed its certificate.
registryMirror: ""
registryCa: ""

# Add-ons that users may ask for by spec.kubeflow and spec.addons, by digest, as addons/push.sh
# prints them; registryCa must be set:
#   training: registry.example/vk8s/addon-training@sha256:...
addons: {{}}

# Secret of the namespace vk8s-system to read them with.
addonPullSecret: ""

# May nodes tolerate the taints of this cluster's control plane?
tolerateControlPlane: false

# One acts, others stand by.
replicas: {replicas}

resources:
  {resources}

# vk8s-ip-manager: fixed addresses. All replicas act.
ipManager:
  replicas: {ip_manager_replicas}
  resources:
    {ip_manager_resources}
)";

// "vk8s/controller:v0.1.0" in its parts.
struct Image {
  std::string repository;
  std::string version;  // without "v"
};

Image controller_image() {
  const std::size_t colon = kControllerImage.rfind(":v");
  return {std::string(kControllerImage.substr(0, colon)),
          std::string(kControllerImage.substr(colon + 2))};
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

// The manifests' own braces are no templates.
std::string as_template(const std::vector<Json>& manifests, std::string_view first_line = {}) {
  std::string text = kube::to_yaml(manifests);
  replace_all(text, "{{", R"({{ "{{" }})");
  for (const Placeholder& placeholder : kPlaceholders) {
    replace_all(text, placeholder.in_yaml, placeholder.in_chart);
  }
  return fmt::format("{}{}{}", generated_header("chart"), first_line, text);
}

// Not in the chart's crds/, which Helm never upgrades; kept, because the virtual
// clusters would go with it.
std::string crd_template() {
  std::vector<Json> crds = crd_manifests();
  for (Json& crd : crds) {
    JsonObject& metadata = crd.at("metadata").as_object();
    metadata["annotations"] = JsonObject{{"helm.sh/resource-policy", "keep"}};
  }
  return as_template(crds);
}

// Helm makes the namespace.
std::string rbac_template() {
  std::vector<Json> manifests;
  for (Json& manifest : rbac_manifests()) {
    const std::string_view kind = base::get_string(manifest, "kind").value_or("");
    if (kind == "Namespace") {
      continue;
    }
    if (kind == "ServiceAccount") {
      manifest.as_object()["imagePullSecrets"] = "$pull-secrets$";
    }
    manifests.push_back(std::move(manifest));
  }
  return as_template(manifests);
}

std::string controller_template() {
  std::vector<Json> manifests = deployment_manifests();
  manifests.front().at("data") =
      JsonObject{{"config.toml", "$config$"}, {"registry-ca.crt", "$registry-ca$"}};
  JsonObject& spec = manifests.back().at("spec").as_object();
  spec["replicas"] = "$replicas$";
  Json& pod = spec["template"];
  pod.at("metadata").as_object()["annotations"] =
      JsonObject{{"checksum/config", "$config-checksum$"}};
  JsonObject& container = pod.at("spec").at("containers").at(0).as_object();
  container["image"] = "$image$";
  container["resources"] = "$resources$";
  return as_template(manifests, "{{- include \"vk8s.check\" . }}\n");
}

std::string ip_manager_template() {
  std::vector<Json> manifests = ip_manager_manifests();
  manifests.front().as_object()["imagePullSecrets"] = "$pull-secrets$";
  JsonObject& spec = manifests.back().at("spec").as_object();
  spec["replicas"] = "$ip-manager-replicas$";
  JsonObject& container = spec["template"].at("spec").at("containers").at(0).as_object();
  container["image"] = "$image$";
  container["resources"] = "$ip-manager-resources$";
  return as_template(manifests);
}

std::string resources_of(const Json& deployment, std::string_view margin) {
  std::string out =
      kube::to_yaml(*base::find(deployment, "spec.template.spec.containers.0.resources"));
  out.pop_back();
  replace_all(out, "\n", fmt::format("\n{}", margin));
  return out;
}

std::string values() {
  const Json deployment = deployment_manifests().back();
  const Json ip_manager = ip_manager_manifests().back();
  const Image image = controller_image();
  return generated_header("chart") +
         fmt::format(kValues, fmt::arg("repository", image.repository),
                     fmt::arg("version", image.version),
                     fmt::arg("replicas", *base::get_int(deployment, "spec.replicas")),
                     fmt::arg("resources", resources_of(deployment, "  ")),
                     fmt::arg("ip_manager_replicas", *base::get_int(ip_manager, "spec.replicas")),
                     fmt::arg("ip_manager_resources", resources_of(ip_manager, "    ")));
}

}  // namespace

std::vector<GeneratedFile> chart_files() {
  const std::string folder = "charts/vk8s/";
  return {
      {folder + "Chart.yaml",
       generated_header("chart") +
           fmt::format(kChart, fmt::arg("version", controller_image().version))},
      {folder + "values.yaml", values()},
      {folder + "templates/crd.yaml", crd_template()},
      {folder + "templates/rbac.yaml", rbac_template()},
      {folder + "templates/controller.yaml", controller_template()},
      {folder + "templates/ip-manager.yaml", ip_manager_template()},
  };
}

}  // namespace vk8s::controller
