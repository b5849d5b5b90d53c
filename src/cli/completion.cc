#include "cli/completion.h"

#include "api/version_catalogue.h"
#include "base/text.h"
#include "cli/cluster_view.h"
#include "cli/host_api.h"
#include "cli/ip_verbs.h"
#include "cli/verb.h"

namespace vk8s::cli {
namespace {

using namespace std::chrono_literals;

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

const CLI::Option* find_option(const CLI::App& verb, const std::string& word) {
  return word.size() > 1 && word.starts_with('-') ? verb.get_option_no_throw(word) : nullptr;
}

// What stands before the word at the cursor.
struct Line {
  const CLI::App* verb = nullptr;
  const CLI::Option* awaiting = nullptr;  // the option whose value comes next
  int positionals = 0;
  ConnectionOptions connection;
};

void note_value(Line& line, const CLI::Option& option, const std::string& value) {
  if (option.check_lname("kubeconfig")) {
    line.connection.kubeconfig = value;
  } else if (option.check_lname("context")) {
    line.connection.context = value;
  } else if (option.check_lname("namespace")) {
    line.connection.namespace_name = value;
  }
}

void read_word(Line& line, const std::string& word) {
  if (line.awaiting != nullptr) {
    note_value(line, *line.awaiting, word);
    line.awaiting = nullptr;
    return;
  }
  if (word.starts_with('-')) {
    const std::size_t equals = word.find('=');
    const CLI::Option* option = find_option(*line.verb, word.substr(0, equals));
    if (option != nullptr && equals != std::string::npos) {
      note_value(line, *option, word.substr(equals + 1));
    } else if (option != nullptr && takes_value(*option)) {
      line.awaiting = option;
    }
    return;
  }
  for (const CLI::App* verb : line.verb->get_subcommands({})) {
    if (verb->check_name(word)) {
      line.verb = verb;
      return;
    }
  }
  ++line.positionals;
}

std::vector<Candidate> names_on_host(Surroundings& surroundings, const Line& line,
                                     const kube::Resource& resource) {
  auto api = HostApi::connect(surroundings, line.connection);
  if (!api) {
    return {};
  }
  api->set_timeout(2s);
  const auto list = api->list(resource, resource.namespaced ? api->namespace_name() : "",
                              {.limit = 500, .omit_managed_fields = true});
  std::vector<Candidate> out;
  const JsonArray* items = list ? base::get_array(*list, "items") : nullptr;
  for (std::size_t i = 0; items != nullptr && i < items->size(); ++i) {
    const ClusterView view = view_of((*items)[i]);
    out.push_back({view.name, resource.namespaced ? view.phase : ""});
  }
  return out;
}

std::vector<Candidate> taken_addresses(Surroundings& surroundings, const Line& line) {
  auto api = HostApi::connect(surroundings, line.connection);
  if (!api) {
    return {};
  }
  api->set_timeout(2s);
  const auto listed = list_allocations(*api);
  std::vector<Candidate> out;
  if (listed) {
    for (const ListedAllocation& each : listed->items) {
      out.push_back({each.allocation.address.to_string(), holder_of(each.allocation)});
    }
  }
  return out;
}

// "TEXT:{text,json}" -> those words.
std::vector<Candidate> members_of(const std::string& type_name) {
  std::vector<Candidate> out;
  const std::size_t open = type_name.find('{');
  const std::size_t close = type_name.find('}', open);
  if (open != std::string::npos && close != std::string::npos) {
    for (const std::string_view word :
         base::split(std::string_view(type_name).substr(open + 1, close - open - 1), ',')) {
      out.push_back({std::string(word), ""});
    }
  }
  return out;
}

std::vector<Candidate> values_of(const CLI::Option& option, Surroundings& surroundings,
                                 const Line& line) {
  if (option.check_lname("namespace")) {
    return names_on_host(surroundings, line, kube::resources::kNamespace);
  }
  if (option.check_lname("pool") || option.check_lname("ip-pool")) {
    return names_on_host(surroundings, line, kube::resources::kVNodeIPPool);
  }
  std::vector<Candidate> out = members_of(option.get_type_name());
  if (option.check_lname("version")) {
    for (const api::KubernetesRelease& release : api::releases()) {
      out.push_back({std::string(release.minor), std::string(release.version)});
    }
  }
  if (option.check_lname("component")) {
    for (const char* name : {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler",
                             "coredns", "containerd", "kubelet", "kube-proxy"}) {
      out.push_back({name, ""});
    }
  }
  return out;
}

std::vector<Candidate> options_of(const CLI::App& verb) {
  std::vector<Candidate> out;
  for (const CLI::Option* option : verb.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      out.push_back({"--" + name, option->get_description()});
    }
  }
  return out;
}

std::vector<Candidate> words_for(Surroundings& surroundings, const Line& line) {
  std::vector<Candidate> out;
  for (const CLI::App* verb : line.verb->get_subcommands({})) {
    if (!verb->get_group().empty()) {
      out.push_back({verb->get_name(), verb->get_description()});
    }
  }
  if (line.positionals == 0 && takes_cluster_name(*line.verb)) {
    return names_on_host(surroundings, line, kube::resources::kVk8s);
  }
  if (line.positionals == 0 && takes_taken_address(*line.verb)) {
    return taken_addresses(surroundings, line);
  }
  if (const CLI::Option* shell = line.verb->get_option_no_throw("SHELL");
      shell != nullptr && line.positionals == 0) {
    return members_of(shell->get_type_name());
  }
  return out;
}

constexpr std::string_view kPluginNote =
    "# For `kubectl vk8s <TAB>`, kubectl runs an executable kubectl_complete-vk8s of PATH:\n"
    "#   printf '#!/bin/sh\\nexec kubectl-vk8s __complete \"$@\"\\n' "
    "> ~/.local/bin/kubectl_complete-vk8s\n"
    "#   chmod +x ~/.local/bin/kubectl_complete-vk8s\n";

constexpr std::string_view kBash = R"(_kubectl_vk8s() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :*) ;;
      *) COMPREPLY+=("${line%%$'\t'*}") ;;
    esac
  done < <(kubectl-vk8s __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _kubectl_vk8s kubectl-vk8s
)";

constexpr std::string_view kZsh = R"(_kubectl_vk8s() {
  local line word
  local -a candidates
  for line in "${(@f)$(kubectl-vk8s __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -z $line || $line == :* ]] && continue
    word=${line%%$'\t'*}
    candidates+=("${word//:/\\:}:${line#*$'\t'}")
  done
  _describe kubectl-vk8s candidates
}
compdef _kubectl_vk8s kubectl-vk8s
)";

constexpr std::string_view kFish = R"(function __kubectl_vk8s_complete
  set -l words (commandline -opc)
  set -e words[1]
  set -l current (commandline -ct)
  kubectl-vk8s __complete $words "$current" 2>/dev/null | string match -v ':*'
end
complete -c kubectl-vk8s -f -a '(__kubectl_vk8s_complete)'
)";

}  // namespace

std::vector<Candidate> complete(const CLI::App& root, Surroundings& surroundings,
                                std::span<const std::string> words) {
  Line line{.verb = &root};
  const std::string partial = words.empty() ? std::string() : words.back();
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    read_word(line, words[i]);
  }
  std::vector<Candidate> all;
  if (line.awaiting != nullptr) {
    all = values_of(*line.awaiting, surroundings, line);
  } else {
    all = partial.starts_with('-') ? options_of(*line.verb) : words_for(surroundings, line);
  }
  std::erase_if(all, [&](const Candidate& one) { return !one.word.starts_with(partial); });
  return all;
}

void print_completion(const CLI::App& root, Session& session, std::span<const std::string> words) {
  std::string out;
  for (const Candidate& candidate : complete(root, session.surroundings(), words)) {
    out += candidate.word;
    out += candidate.description.empty() ? "" : "\t" + candidate.description;
    out += '\n';
  }
  session.write(out + ":4\n");
}

Result<std::string> completion_script(std::string_view shell) {
  struct Script {
    std::string_view shell;
    std::string_view load;
    std::string_view body;
  };
  static constexpr Script kScripts[] = {
      {"bash", "source <(kubectl-vk8s completion bash)", kBash},
      {"zsh", "source <(kubectl-vk8s completion zsh), after compinit", kZsh},
      {"fish", "kubectl-vk8s completion fish > ~/.config/fish/completions/kubectl-vk8s.fish",
       kFish}};
  for (const Script& script : kScripts) {
    if (script.shell == shell) {
      return fmt::format("# {} completion of kubectl-vk8s. Load it with\n#   {}\n{}{}",
                         script.shell, script.load, kPluginNote, script.body);
    }
  }
  return fail(Errc::kNotFound, "no completion for \"{}\": there are bash, zsh and fish",
              base::printable(shell, 32));
}

}  // namespace vk8s::cli
