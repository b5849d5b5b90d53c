// The examples of federated learning and of inference on three clusters, by the commands of their
// READMEs: a model is trained across edge sites, published and served; what is not sound is not.
#include <algorithm>
#include <future>

#include "base/text.h"
#include "e2e/fixture.h"

namespace vk8s::e2e {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::SizeIs;

constexpr const char* kNamespace = "federated";
constexpr const char* kModel = "digits-fedavg-seed1";
constexpr int kRounds = 6;

// Another version with the content of one that is there, marked best: sound, or as a faulty disk
// leaves it.
constexpr const char* kPublish = R"(
import dataclasses, json, sys
from federated.store import MANIFEST_FILE, MODEL_FILE, ModelRepository, S3Store
name, version, sound = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "sound"
store = S3Store.from_environment()
repository = ModelRepository(store, name)
sample = repository.manifest(int(sys.argv[4]))
content = repository.load(sample)
folder = f"{name}/v{version:05d}"
store.put(f"{folder}/{MODEL_FILE}", content if sound else b"x" + content[1:])
store.put(f"{folder}/{MANIFEST_FILE}", dataclasses.replace(sample, version=version).to_json())
store.put(f"{name}/best.json", json.dumps({"version": version, "accuracy": 1.0}).encode())
)";

class LearningTest : public HostTest {
 protected:
  Result<std::string> example(std::vector<std::string> argv, seconds timeout) const {
    argv.front().insert(0, "examples/");
    return host().script(std::move(argv), timeout,
                         {{"FEDERATED_STATE_DIR", host().folder() + "/federated"}});
  }

  // The cluster with the SuperLink and the store, once run.sh has made it.
  Result<VirtualCluster> attach_core() const {
    const std::string name = "fl-core";
    VK8S_TRY(kubectl().wait({std::string("namespace/") + kNamespace}, "create", minutes(5)));
    VK8S_TRY(kubectl().wait({"-n", kNamespace, "vk8s/" + name}, "create"));
    VK8S_TRY(kubectl().wait({"-n", kNamespace, "vk8s/" + name}, "jsonpath={.status.phase}=Running",
                            minutes(2)));
    return VirtualCluster::attach(host(), kNamespace, name);
  }

  // The manifest of a version, once it is in the store.
  static Result<std::string> stored(const Kubectl& core, int version) {
    const std::string deployment = "deployment/store";
    VK8S_TRY(core.wait({"-n", kNamespace, deployment}, "create", minutes(5)));
    VK8S_TRY(core.wait({"-n", kNamespace, deployment}, "condition=Available", minutes(5)));
    const std::string file =
        fmt::format("/data/objects/models/{}/v{:05}/manifest.json", kModel, version);
    return core(
        {"-n", kNamespace, "exec", deployment, "-c", "versitygw", "--", "sh", "-c",
         fmt::format("for i in $(seq 900); do [ -s {0} ] && break; sleep 1; done; cat {0}", file)},
        {}, minutes(15));
  }

  static Status publish(const Kubectl& core, int version, const std::string& how, int of) {
    VK8S_TRY(core({"-n", kNamespace, "exec", "-i", "deployment/superlink", "-c", "driver", "--",
                   "python3", "-", kModel, std::to_string(version), how, std::to_string(of)},
                  kPublish));
    return {};
  }

  // Of the Deployment that serves: those that are not on their way out.
  static Result<std::vector<std::string>> servers(const Kubectl& core) {
    const std::string names =
        VK8S_TRY(core({"-n", "inference", "get", "pods", "-l", "app=inference", "-o",
                       R"(go-template={{range .items}}{{if not .metadata.deletionTimestamp}})"
                       R"({{.metadata.name}} {{end}}{{end}})"}));
    std::vector<std::string> out;
    for (const std::string_view name : base::split(names, ' ')) {
      if (!name.empty()) {
        out.emplace_back(name);
      }
    }
    return out;
  }

  // What each server says of its model, once it serves `version` and has refused `refused` (0:
  // none).
  static Status wait_until_each(const Kubectl& core, int version, int refused) {
    const auto says = [&](const std::string& pod) {
      const auto text =
          core({"get", "--raw",
                fmt::format("/api/v1/namespaces/inference/pods/{}:8080/proxy/v2/models/{}", pod,
                            kModel)});
      if (!text) {
        return Answer{false, text.error().message()};
      }
      const auto model = base::parse_json(*text);
      return Answer{model && base::get_string(*model, "versions.0") == std::to_string(version) &&
                        base::get_int(*model, "parameters.refused.version").value_or(0) == refused,
                    *text};
    };
    return wait_until(
        [&] {
          const auto pods = servers(core);
          if (!pods) {
            return Answer{false, pods.error().message()};
          }
          Answer all{pods->size() == 2, fmt::format("{} pods", pods->size())};
          for (const std::string& pod : *pods) {
            const Answer one = says(pod);
            all.yes = all.yes && one.yes;
            all.words += fmt::format("; {}: {}", pod, one.words);
          }
          return all;
        },
        minutes(2), fmt::format("both servers have version {}, refused {}", version, refused));
  }

  // Digits that nobody was trained on, from outside the host: the version that named nine of ten.
  Result<std::string> ask() const {
    const std::string endpoint = VK8S_TRY(kubectl()(
        {"-n", kNamespace, "get", "vk8s", "fl-core", "-o", "jsonpath={.status.endpoint}"}));
    const std::string port =
        VK8S_TRY(kubectl()({"-n", kNamespace, "get", "service", "fl-core-ports", "-o",
                            R"(jsonpath={.spec.ports[?(@.name=="inference")].nodePort})"}));
    const std::string url = "http" + endpoint.substr(5, endpoint.rfind(':') - 5) + ":" + port;
    return example({"inference/client.sh", "--url", url, "--model", kModel}, minutes(2));
  }
  static std::string answer_of(int version) {
    return fmt::format("{} version {}: ", kModel, version);
  }

  // A damaged version is marked best: it serves nowhere, nor in a pod that starts now.
  void expect_damaged_version_refused(const Kubectl& core, int best) const {
    ASSERT_TRUE(ok(publish(core, 100, "damaged", best)));
    EXPECT_TRUE(ok(wait_until_each(core, best, 100)));
    EXPECT_THAT(ask().value_or("?"), HasSubstr(answer_of(best)));
    const auto pods = servers(core);
    ASSERT_TRUE(ok(pods));
    ASSERT_THAT(*pods, SizeIs(2));
    ASSERT_TRUE(ok(core({"-n", "inference", "delete", "pod", pods->front()})));
    EXPECT_TRUE(
        ok(core({"-n", "inference", "rollout", "status", "deployment/inference"}, {}, minutes(3))));
    EXPECT_TRUE(ok(wait_until_each(core, best, 100)));
  }

  // A rollout whose pod is alive but never ready replaces none of those that serve.
  void expect_stuck_rollout_replaces_nothing(const Kubectl& core, int version) const {
    const auto serving = servers(core);
    ASSERT_TRUE(ok(serving));
    ASSERT_THAT(*serving, SizeIs(2));
    ASSERT_TRUE(
        ok(core({"-n", "inference", "set", "env", "deployment/inference", "MODEL=no-such-model"})));
    std::string stuck;
    ASSERT_TRUE(ok(wait_until(
        [&] {
          const auto pods = servers(core);
          if (!pods) {
            return Answer{false, pods.error().message()};
          }
          const auto is_new = [&](const std::string& pod) {
            return std::find(serving->begin(), serving->end(), pod) == serving->end();
          };
          const auto at = std::find_if(pods->begin(), pods->end(), is_new);
          stuck = at == pods->end() ? "" : *at;
          return Answer{!stuck.empty(), "none"};
        },
        minutes(1), "the new pod")));
    const std::string first = "{.status.containerStatuses[0].";
    EXPECT_TRUE(ok(core.wait({"-n", "inference", "pod/" + stuck},
                             "jsonpath=" + first + "started}=true", minutes(3))));
    EXPECT_TRUE(ok(core.wait_for_output(
        {"-n", "inference", "get", "events", "--field-selector",
         "reason=Unhealthy,involvedObject.name=" + stuck, "-o", "jsonpath={.items[*].message}"},
        "Readiness probe failed: HTTP probe failed with statuscode: 503")));
    EXPECT_EQ(core({"-n", "inference", "get", "pod", stuck, "-o", "jsonpath=" + first + "ready}"})
                  .value_or("?"),
              "false");
    const auto pods = servers(core);
    ASSERT_TRUE(ok(pods));
    EXPECT_THAT(*pods, testing::IsSupersetOf(*serving));
    EXPECT_TRUE(ok(ask()));
    ASSERT_TRUE(ok(core({"-n", "inference", "rollout", "undo", "deployment/inference"})));
    EXPECT_TRUE(
        ok(core({"-n", "inference", "rollout", "status", "deployment/inference"}, {}, minutes(3))));
    EXPECT_TRUE(ok(wait_until_each(core, version, 0)));
  }
};

TEST_F(LearningTest, FederatesOverClustersAndServesWhatIsSound) {
  const std::string output = host().folder() + "/report";
  auto training = std::async(std::launch::async, [&] {
    return example({"federated-learning/run.sh", "--output", output, "--round-timeout", "600"},
                   minutes(30));
  });
  // With the SuperLink the ServerApp dies: the training goes on after what is in the store.
  const auto cluster = attach_core();
  const auto before = cluster ? stored(cluster->kubectl(), 1)
                              : Result<std::string>(tl::unexpected(cluster.error()));
  const Kubectl::Arguments superlink = {"-n", kNamespace,      "get", "pods",
                                        "-l", "app=superlink", "-o",  "name"};
  const std::string victim = before ? cluster->kubectl()(superlink).value_or("?") : "?";
  if (before) {
    EXPECT_TRUE(ok(cluster->kubectl()(
        {"-n", kNamespace, "delete", std::string(base::trim(victim)), "--wait=false"})));
  }
  ASSERT_TRUE(ok(training.get()));
  ASSERT_TRUE(ok(before));
  const Kubectl& core = cluster->kubectl();
  const auto successor = core(superlink);
  ASSERT_TRUE(ok(successor));
  EXPECT_NE(*successor, victim);
  EXPECT_EQ(stored(core, 1).value_or("?"), *before);

  RecordProperty("report", sys::read_file(output + "/report.txt").value_or(""));
  const auto text = sys::read_file(output + "/results.json");
  ASSERT_TRUE(ok(text));
  const auto results = base::parse_json(*text);
  ASSERT_TRUE(ok(results));
  const auto number = [&](std::string_view path) {
    const Json* value = base::find(*results, path);
    return value != nullptr && value->is_double() ? value->get_double() : -1.0;
  };
  EXPECT_GT(number("0.federated"), 0.93);
  EXPECT_GT(number("0.federated"), number("0.centralized") - 0.05);
  EXPECT_GT(number("0.transfer.noisy.fine-tune"), number("0.transfer.noisy.scratch"));
  const JsonArray* rounds = base::get_array(*results, "0.by_round.federated");
  ASSERT_NE(rounds, nullptr);
  EXPECT_THAT(*rounds, SizeIs(kRounds + 1));
  EXPECT_EQ(base::get_int(*results, "0.rejected"), 0);
  const int best = static_cast<int>(base::get_int(*results, "0.best_version").value_or(0));
  ASSERT_GT(best, 0);

  // Served from the store, and asked from outside.
  ASSERT_TRUE(ok(example({"inference/run.sh"}, minutes(8))));
  ASSERT_TRUE(ok(wait_until_each(core, best, 0)));
  const auto first_answer = ask();
  ASSERT_TRUE(ok(first_answer));
  EXPECT_THAT(*first_answer, HasSubstr(answer_of(best)));
  RecordProperty("served", *first_answer);

  expect_damaged_version_refused(core, best);
  ASSERT_FALSE(HasFailure());
  // A sound one takes the place of both, without a rollout.
  ASSERT_TRUE(ok(publish(core, 101, "sound", best)));
  EXPECT_TRUE(ok(wait_until_each(core, 101, 0)));
  EXPECT_THAT(ask().value_or("?"), HasSubstr(answer_of(101)));
  expect_stuck_rollout_replaces_nothing(core, 101);

  EXPECT_TRUE(ok(example({"inference/run.sh", "--clean"}, minutes(3))));
  EXPECT_TRUE(ok(example({"federated-learning/run.sh", "--clean"}, minutes(5))));
  EXPECT_EQ(kubectl()({"get", "vk8s", "-A", "-o", "name"}).value_or("?"), "");
}

}  // namespace
}  // namespace vk8s::e2e
