// spec.kubeflow, from the registry to trained models and away again: with the images of the add-on
// and of TensorFlow. spec.addons: what is asked of them inside.
#include <crypt.h>

#include <regex>

#include "base/text.h"
#include "e2e/fixture.h"
#include "e2e/workload.h"
#include "pki/pki.h"

namespace vk8s::e2e {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::AllOf;
using testing::Each;
using testing::HasSubstr;
using testing::Not;
using testing::UnorderedElementsAre;

constexpr const char* kNamespace = "learning";
constexpr const char* kCluster = "school";

std::string manifest(const std::string& more_spec) {
  return vk8s_manifest(kNamespace, kCluster, 1, more_spec);
}

std::string example(const std::string& file) {
  return fmt::format("{}/examples/training{}", VK8S_SOURCE_DIR, file);
}

// One of the example's jobs.
struct Job {
  std::string file;
  std::string object;
  std::string success;  // the condition
  std::string pods;     // their label
};

const std::vector<Job> kJobs = {{"/kubernetes/trainjob.yaml", "trainjob/digits", "Complete",
                                 "jobset.sigs.k8s.io/jobset-name=digits"},
                                {"/kubernetes/tfjob.yaml", "tfjob/digits", "Succeeded",
                                 "training.kubeflow.org/job-name=digits"}};

class AddonsTest : public HostTest {
 protected:
  // An operator that offers the add-on, and the image of the jobs: what examples/training asks for.
  void SetUp() override {
    HostTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    ASSERT_TRUE(ok(host().quickstart({"--until", "operator", "--addon", "training"}, minutes(15))));
    ASSERT_TRUE(ok(host().script({"images/push.sh", "--cert-dir", host().registry_credentials(),
                                  host().writable_registry(), "tensorflow"},
                                 minutes(10))));
    ensure_namespace(kNamespace);
  }

  // A field of the Vk8s.
  std::string field(const std::string& path) const {
    const auto text = kubectl()(get_field(path));
    return text ? *text : text.error().message();
  }
  Kubectl::Arguments get_field(const std::string& path) const {
    return {"-n", kNamespace, "get", "vk8s", kCluster, "-o", "jsonpath={" + path + "}"};
  }
  static std::string of_condition(const std::string& key) {
    return R"(.status.conditions[?(@.type=="KubeflowReady")].)" + key;
  }

  // Creates the job and waits for its success: what each of its workers says of it, in JSON.
  Result<std::vector<Json>> train(const Kubectl& inner, const Job& job) const {
    VK8S_TRY(inner({"create", "-f", example(job.file)}));
    if (Status done = inner.wait({job.object}, "condition=" + job.success, minutes(12)); !done) {
      const auto logs = inner({"logs", "-l", job.pods, "--tail=20", "--prefix"});
      return tl::unexpected<Error>(std::move(done).error().context(
          "{}: its workers say {}", job.object, logs ? *logs : logs.error().message()));
    }
    // Libraries may have their own last words after it.
    const std::string lines = VK8S_TRY(inner({"logs", "-l", job.pods, "--tail=50"}));
    std::vector<Json> out;
    for (const std::string_view line : base::split(lines, '\n')) {
      if (line.starts_with('{')) {
        out.push_back(VK8S_TRY_CONTEXT(base::parse_json(line), "what {} has learnt", job.object));
      }
    }
    return out;
  }

  // Two workers, of one cluster, that have learnt the same and learnt it well.
  void expect_trained(const std::vector<Json>& workers) const {
    ASSERT_EQ(workers.size(), 2U);
    std::vector<std::int64_t> indices;
    for (const Json& worker : workers) {
      EXPECT_EQ(base::get_int(worker, "workers"), 2) << base::to_string(worker);
      indices.push_back(base::get_int(worker, "worker").value_or(-1));
      const Json* accuracy = base::find(worker, "accuracy");
      ASSERT_TRUE(accuracy != nullptr && accuracy->is_double()) << base::to_string(worker);
      EXPECT_GT(accuracy->get_double(), 0.95);
    }
    EXPECT_THAT(indices, UnorderedElementsAre(0, 1));
    const auto weights = base::get_string(workers[0], "weights_sha256");
    EXPECT_NE(weights.value_or(""), "");
    EXPECT_EQ(weights, base::get_string(workers[1], "weights_sha256"));
  }

  // A user's own objects, without which nothing of the add-on is kept.
  Status remove_jobs(const Kubectl& inner) const {
    for (const Job& job : kJobs) {
      VK8S_TRY(inner({"delete", "-f", example(job.file)}, {}, minutes(2)));
    }
    VK8S_TRY(inner({"delete", "-k", example("")}, {}, minutes(2)));
    return {};
  }
};

TEST_F(AddonsTest, KubeflowTrainsModelsAndLeavesNothing) {
  const auto cluster =
      VirtualCluster::create(host(), kNamespace, kCluster,
                             manifest("  kubeflow: {profile: training, version: \"1.4\"}\n"));
  ASSERT_TRUE(ok(cluster));
  const Kubectl& inner = cluster->kubectl();
  ASSERT_TRUE(ok(kubectl().wait_for_output(get_field(of_condition("reason")), "Blocked")));
  EXPECT_THAT(field(of_condition("message")), HasSubstr("spec.kubeflow.version \"1.4\""));
  EXPECT_THAT(inner({"get", "crd", "-o", "name"}).value_or("?"), Not(HasSubstr("kubeflow.org")));

  ASSERT_TRUE(ok(kubectl().apply(manifest("  kubeflow: {profile: training}\n"))));
  const auto ready = kubectl().wait({"-n", kNamespace, std::string("vk8s/") + kCluster},
                                    "condition=KubeflowReady", minutes(8));
  ASSERT_TRUE(ok(ready)) << field(".status.kubeflow");
  EXPECT_EQ(field(".status.kubeflow.phase"), "Ready");
  EXPECT_EQ(field(".status.kubeflow.progress"), "100");
  const std::string components = field(".status.kubeflow.components[*].name");
  EXPECT_THAT(base::split(components, ' '),
              UnorderedElementsAre("jobset", "trainer", "training-operator"));
  const std::string are_ready = field(".status.kubeflow.components[*].ready");
  EXPECT_THAT(base::split(are_ready, ' '), Each("true"));

  ASSERT_TRUE(ok(inner({"apply", "--server-side", "-k", example("")})));
  for (const Job& job : kJobs) {
    const auto workers = train(inner, job);
    ASSERT_TRUE(ok(workers));
    expect_trained(*workers);
  }

  ASSERT_TRUE(ok(remove_jobs(inner)));
  ASSERT_TRUE(ok(kubectl().apply(manifest(""))));
  ASSERT_TRUE(
      ok(kubectl().wait_for_output(get_field(of_condition("reason")), "NotInstalled", minutes(6))))
      << field(".status.kubeflow");
  EXPECT_EQ(field(".status.kubeflow"), "");
  EXPECT_EQ(field(of_condition("status")), "False");
  EXPECT_EQ(field(".status.phase"), "Running");
  EXPECT_EQ(inner({"get", "crd,validatingwebhookconfigurations,mutatingwebhookconfigurations", "-o",
                   "name"})
                .value_or("?"),
            "");
  EXPECT_THAT(inner({"get", "namespaces", "-o", "name"}).value_or("?"),
              Not(testing::AnyOf(HasSubstr("kubeflow"), HasSubstr("jobset-system"))));
  EXPECT_TRUE(ok(kubectl().wait_for_output(
      {"-n", kNamespace, "get", "events", "-o", "jsonpath={.items[*].reason}"}, "KubeflowRemoved",
      seconds(30))));
  EXPECT_TRUE(ok(cluster->remove()));
}

// --- a login ---------------------------------------------------------------------------------

// The set of tests/login in the place of Kubeflow's distribution, which has no images here.
class LoginTest : public HostTest {
 protected:
  void SetUp() override {
    HostTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    const std::string folder = fmt::format("{}/tests/login", VK8S_SOURCE_DIR);
    const auto prepared = host().script(
        {"addons/prepare.sh", "--cert-dir", host().registry_credentials(), "--info",
         folder + "/addon.json", "full", folder + "/manifests.yaml", host().writable_registry()},
        minutes(2));
    ASSERT_TRUE(ok(prepared));
    const std::string set(base::split(base::trim(*prepared), '\n').back());
    ASSERT_TRUE(
        ok(host().quickstart({"--until", "operator", "--addon", "full=" + set}, minutes(15))));
    ensure_namespace(kIn);
  }

  Kubectl::Arguments get_field(const std::string& path) const {
    return {"-n", kIn, "get", "vk8s", kName, "-o", "jsonpath={" + path + "}"};
  }
  std::string message() const {
    return kubectl()(get_field(R"(.status.conditions[?(@.type=="KubeflowReady")].message)"))
        .value_or("?");
  }
  // What the add-on's program was started with.
  static std::string environment_of(const Kubectl& inner, const std::string& name) {
    const auto value =
        inner({"-n", "door", "exec", "deploy/door", "--", "sh", "-c", "echo \"$" + name + "\""});
    return value ? std::string(base::trim(*value)) : value.error().message();
  }
  static std::string with_kubeflow(const std::string& fields) {
    return vk8s_manifest(kIn, kName, 0, "  kubeflow: {profile: full" + fields + "}\n");
  }

  static constexpr const char* kIn = "doors";
  static constexpr const char* kName = "house";
};

TEST_F(LoginTest, FirstUserOfAClusterHasAPasswordOfHisOwn) {
  const auto cluster = VirtualCluster::create(host(), kIn, kName,
                                              with_kubeflow(", passwordSecretRef: {name: mine}"));
  ASSERT_TRUE(ok(cluster));
  const Kubectl& inner = cluster->kubectl();
  ASSERT_TRUE(ok(kubectl().wait_for_output(get_field(".status.kubeflow.phase"), "Blocked")));
  EXPECT_THAT(message(),
              HasSubstr("spec.kubeflow.passwordSecretRef.name \"mine\": there is no such "
                        "Secret in this namespace"));
  EXPECT_THAT(inner({"get", "namespaces", "-o", "name"}).value_or("?"), Not(HasSubstr("door")));

  ASSERT_TRUE(ok(kubectl()({"-n", kIn, "create", "secret", "generic", "mine",
                            "--from-literal=password=correct horse"})));
  const auto is_ready = [&] {
    return kubectl().wait({"-n", kIn, std::string("vk8s/") + kName}, "condition=KubeflowReady",
                          minutes(3));
  };
  ASSERT_TRUE(ok(is_ready())) << message();
  EXPECT_EQ(message(),
            "log in as user@example.com with the password in Secret mine (key password)");
  const std::string hash = environment_of(inner, "HASH");
  EXPECT_EQ(hash, ::crypt("correct horse", hash.c_str()));
  const std::string key = environment_of(inner, "key");
  EXPECT_TRUE(std::regex_match(key, std::regex("[0-9a-f]{32}"))) << key;

  // Without a Secret of the user's one is made, for another user: the program starts anew.
  ASSERT_TRUE(ok(kubectl().apply(with_kubeflow(", email: kim@site.example"))));
  ASSERT_TRUE(ok(inner.wait_for_output(
      {"-n", "door", "get", "configmap", "users", "-o", "jsonpath={.data.first}"},
      "kim@site.example", minutes(2))));
  ASSERT_TRUE(ok(inner({"-n", "door", "rollout", "status", "deploy/door"}, {}, minutes(2))));
  const auto generated = kubectl()(
      {"-n", kIn, "get", "secret", "house-kubeflow-password", "-o", "jsonpath={.data.password}"});
  ASSERT_TRUE(ok(generated));
  const auto password = pki::base64_decode(*generated);
  ASSERT_TRUE(ok(password));
  const std::string another = environment_of(inner, "HASH");
  EXPECT_EQ(another, ::crypt(password->c_str(), another.c_str()));
  EXPECT_EQ(environment_of(inner, "first"), "kim@site.example");
  EXPECT_EQ(environment_of(inner, "key"), key);
  EXPECT_TRUE(ok(cluster->remove()));
}

// --- the catalogue ---------------------------------------------------------------------------

class CatalogueTest : public HostTest {
 protected:
  void SetUp() override {
    HostTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    ASSERT_TRUE(ok(host().quickstart(
        {"--until", "operator", "--addon", "metrics-server", "--addon", "local-path"},
        minutes(15))));
    ensure_namespace(kIn);
  }

  std::string status_of(const std::string& addon, const std::string& field) const {
    return kubectl()(
               {"-n", kIn, "get", "vk8s", kName, "-o",
                fmt::format(R"(jsonpath={{.status.addons[?(@.name=="{}")].{}}})", addon, field)})
        .value_or("?");
  }
  // `kubectl top nodes` has a line of figures for each.
  static void expect_figures(const Kubectl& inner, const std::vector<std::string>& nodes) {
    for (const std::string& node : nodes) {
      const auto shown = [&] {
        const auto line = inner({"top", "node", node, "--no-headers"});
        if (!line) {
          return Answer{false, line.error().message()};
        }
        return Answer{std::regex_match(*line, std::regex(node + R"( +[0-9]+m +[0-9]+% +)" +
                                                         R"([0-9]+Mi +[0-9]+% *\n)")),
                      *line};
      };
      EXPECT_TRUE(ok(wait_until(shown, minutes(2), "figures of " + node)));
    }
  }

  static constexpr const char* kIn = "catalogue";
  static constexpr const char* kName = "shop";
};

TEST_F(CatalogueTest, MeasuresNodesAndMakesVolumes) {
  const auto cluster = VirtualCluster::create(
      host(), kIn, kName,
      vk8s_manifest(kIn, kName, 1, "  addons: [{name: metrics-server}, {name: local-path}]\n"));
  ASSERT_TRUE(ok(cluster));
  const Kubectl& inner = cluster->kubectl();
  ASSERT_TRUE(ok(kubectl().wait({"-n", kIn, std::string("vk8s/") + kName}, "condition=AddonsReady",
                                minutes(6))))
      << status_of("metrics-server", "components") << status_of("local-path", "components");
  EXPECT_EQ(status_of("metrics-server", "phase"), "Ready");
  EXPECT_EQ(status_of("local-path", "phase"), "Ready");

  // Of kubelets whose certificates it verifies: it has no flag not to.
  expect_figures(inner, {"shop-master-1", "shop-worker-1"});

  // The worker keeps nothing, so the volume is the master's; the default stays what it is.
  ASSERT_TRUE(ok(inner.apply(client_manifest({}, "local-path"))));
  ASSERT_TRUE(ok(inner.wait({"pod/client"}, "condition=Ready", minutes(3))));
  ASSERT_TRUE(ok(inner({"exec", "client", "--", "sh", "-c", "echo kept >/data/file"})));
  const auto node = inner({"get", "pod", "client", "-o", "jsonpath={.spec.nodeName}"});
  EXPECT_EQ(node.value_or("?"), "shop-master-1");
  ASSERT_TRUE(ok(inner({"delete", "pod", "client", "--wait=true"})));
  ASSERT_TRUE(ok(inner.apply(client_manifest({}, "local-path"))));
  ASSERT_TRUE(ok(inner.wait({"pod/client"}, "condition=Ready", minutes(2))));
  EXPECT_EQ(inner({"exec", "client", "--", "cat", "/data/file"}).value_or("?"), "kept\n");
  EXPECT_THAT(inner({"get", "storageclass", "local-path", "-o", "jsonpath={.metadata.annotations}"})
                  .value_or("?"),
              Not(HasSubstr("is-default-class")));

  // The provisioner removes the folder, and with it the volume, while it is there.
  const auto volume = inner({"get", "pvc", "data", "-o", "jsonpath={.spec.volumeName}"});
  ASSERT_TRUE(ok(volume));
  ASSERT_TRUE(ok(inner({"delete", "pod/client", "pvc/data", "--wait=true"}, {}, minutes(2))));
  EXPECT_TRUE(ok(inner.wait({"pv/" + *volume}, "delete", minutes(2))));
  ASSERT_TRUE(ok(kubectl().apply(vk8s_manifest(kIn, kName, 1))));
  ASSERT_TRUE(ok(kubectl().wait_for_output(
      {"-n", kIn, "get", "vk8s", kName, "-o",
       R"(jsonpath={.status.conditions[?(@.type=="AddonsReady")].reason})"},
      "NotInstalled", minutes(4))));
  EXPECT_THAT(inner({"get", "apiservices,storageclasses", "-o", "name"}).value_or("?"),
              AllOf(HasSubstr("storageclass.storage.k8s.io/local"), Not(HasSubstr("local-path")),
                    Not(HasSubstr("metrics"))));
  EXPECT_TRUE(ok(cluster->remove()));
}

}  // namespace
}  // namespace vk8s::e2e
