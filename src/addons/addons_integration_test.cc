// Kubeflow's own manifests on a real API server, where VK8S_KUBEFLOW_MANIFESTS names
// them, the sets that addons/build.sh renders, where VK8S_ADDON_SETS does, and small ones
// of our own. There is no kubelet and no controller manager here, so no pod runs:
// workloads, their webhook servers and cert-manager are simulated
// (testing/simulated_cluster.h says how).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <set>

#include "addons/image_lock.h"
#include "addons/installer.h"
#include "addons/test_set.h"
#include "addons/testing/counting_client.h"
#include "addons/testing/simulated_cluster.h"
#include "addons/uninstaller.h"
#include "base/text.h"
#include "kube/testing/api_server.h"
#include "kube/testing/loop_thread.h"

namespace vk8s::addons {
namespace {

using std::chrono::seconds;
using testing::CountingClient;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::SimulatedCluster;
namespace resources = kube::resources;

constexpr seconds kLimit{240};

// One API server for all tests: it takes seconds to start.
class Site {
 public:
  static Result<std::unique_ptr<Site>> start() {
    auto site = std::make_unique<Site>();
    site->server_ = VK8S_TRY(kube::testing::ApiServer::start(
        {.api_server_flags = SimulatedCluster::api_server_flags()}));
    site->simulation_client_ = VK8S_TRY(site->connect("simulation"));
    site->user_ = VK8S_TRY(site->connect("kubectl-edit"));
    site->api_.emplace(site->thread_.loop(), *site->user_, seconds(60));
    site->thread_.run([&site] {
      site->simulation_ = std::make_unique<SimulatedCluster>(
          site->thread_.loop(), *site->simulation_client_, site->server_->ca(), Log::silent());
      site->simulation_->start();
    });
    return site;
  }
  ~Site() {
    thread_.run([this] {
      simulation_.reset();
      simulation_client_.reset();
      user_.reset();
    });
  }

  Result<std::unique_ptr<kube::Client>> connect(const std::string& user_agent) {
    kube::ClientConfig config = server_->admin();
    config.user_agent = user_agent;
    return thread_.run([&] { return kube::Client::create(thread_.loop(), config, Log::silent()); });
  }
  kube::testing::LoopThread& thread() { return thread_; }
  kube::BlockingClient& api() { return *api_; }
  int reviews() {
    return thread_.run([this] { return simulation_->reviews(); });
  }

 private:
  std::unique_ptr<kube::testing::ApiServer> server_;
  kube::testing::LoopThread thread_;
  std::unique_ptr<kube::Client> simulation_client_;
  std::unique_ptr<kube::Client> user_;
  std::optional<kube::BlockingClient> api_;
  std::unique_ptr<SimulatedCluster> simulation_;
};

class AddonsTest : public ::testing::Test {
 protected:
  static std::optional<std::string> missing_prerequisite() {
    if (auto missing = kube::testing::ApiServer::missing_prerequisite()) {
      return missing;
    }
    kube::testing::LoopThread thread;
    return thread.run([&] { return SimulatedCluster::missing_prerequisite(thread.loop()); });
  }
  static void SetUpTestSuite() {
    missing_ = missing_prerequisite();
    if (!missing_) {
      auto started = Site::start();
      ASSERT_TRUE(started) << started.error().message();
      site_ = std::move(*started);
    }
  }
  static void TearDownTestSuite() { site_.reset(); }
  void SetUp() override {
    if (missing_) {
      GTEST_SKIP() << *missing_;
    }
    ASSERT_TRUE(site_);
  }
  void TearDown() override {
    if (site_) {
      die();
    }
  }

  // --- one life of a controller ---------------------------------------------------
  using Strikes = std::function<bool(const std::string& verb, const ObjectId& id)>;

  // strikes: after which request's answer it dies; empty: none.
  void live(Strikes strikes) {
    auto client = site_->connect("vk8s-controller");
    ASSERT_TRUE(client) << client.error().message();
    client_ = std::make_unique<CountingClient>(
        std::move(*client),
        [this, strikes = std::move(strikes)](
            const std::string& verb, const kube::Resource& resource, const kube::ObjectKey& key) {
          const ObjectId id{resource.group, resource.kind, key.namespace_name, key.name};
          if (strikes && !is_dying_ && strikes(verb, id)) {
            is_dying_ = true;
            site_->thread().loop().post([this] { end(); });
          }
        });
  }
  void begin_install(const std::shared_ptr<const Plan>& plan, const std::string& set_name,
                     Strikes strikes = nullptr) {
    die();
    live(std::move(strikes));
    site_->thread().run([&] {
      installer_ = std::make_unique<Installer>(
          site_->thread().loop(), *client_, plan, InstallerOptions{.set_name = set_name},
          Log::silent(), [this] { status_ = installer_->status(); });
      installer_->start();
    });
  }
  void begin_uninstall(const std::string& set_name, bool delete_data, Strikes strikes = nullptr) {
    die();
    live(std::move(strikes));
    site_->thread().run([&] {
      uninstaller_ = std::make_unique<Uninstaller>(
          site_->thread().loop(), *client_,
          UninstallerOptions{.set_name = set_name,
                             .remove = {.removal = {.delete_data = delete_data}}},
          Log::silent(), [this] { status_ = uninstaller_->status(); });
      uninstaller_->start();
    });
  }
  // On the loop's thread: as a process that is killed, all at once.
  void end() {
    installer_.reset();
    uninstaller_.reset();
    if (client_) {
      for (const auto& [verb, number] : client_->counts().requests) {
        total_.requests[verb] += number;
      }
      total_.conflicts += client_->counts().conflicts;
      total_.failed_webhooks += client_->counts().failed_webhooks;
    }
    client_.reset();
    is_dying_ = false;
  }
  void die() {
    site_->thread().run([this] {
      end();
      status_ = {};
    });
  }
  bool is_settled(seconds limit = kLimit) {
    return site_->thread().wait_until([this] { return status_.is_settled; }, limit);
  }
  bool is_dead() {
    return site_->thread().wait_until([this] { return client_ == nullptr; }, kLimit);
  }
  InstallStatus status() {
    return site_->thread().run([this] { return status_; });
  }
  std::string words() {
    const InstallStatus now = status();
    std::string out = fmt::format("{} {}%: {}", to_string(now.phase), now.progress, now.message);
    for (const ComponentStatus& component : now.components) {
      if (!component.message.empty()) {
        out += fmt::format("\n{}: {}", component.name, component.message);
      }
    }
    return out;
  }
  CountingClient::Counts counts() {
    return site_->thread().run([this] { return client_->counts(); });
  }
  bool shows(const std::string& text) {
    return site_->thread().wait_until(
        [&] {
          return std::any_of(status_.components.begin(), status_.components.end(),
                             [&](const ComponentStatus& component) {
                               return component.message.find(text) != std::string::npos;
                             });
        },
        seconds(60));
  }

  // --- what is there ---------------------------------------------------------------
  // Objects of the plan's kinds that carry the label of the set.
  static std::size_t count(const Plan& plan, const std::string& set_name) {
    // Of several versions of a kind, one: each shows all objects.
    std::map<std::pair<std::string, std::string>, kube::Resource> kinds;
    for (const Manifest& one : plan.manifests()) {
      kinds.try_emplace({one.id.group, one.id.kind},
                        kube::Resource{one.id.group, one.version, one.plural, one.id.kind});
    }
    std::size_t number = 0;
    for (const auto& [kind, resource] : kinds) {
      const auto list = site_->api().list(
          resource, "", {.label_selector = fmt::format("{}={}", kSetLabel, set_name)});
      if (list) {
        number += base::get_array(*list, "items")->size();
      } else {
        EXPECT_EQ(list.error().code(), Errc::kNotFound) << list.error().message();
      }
    }
    return number;
  }
  Inventory inventory(const std::string& set_name) {
    const auto list =
        site_->api().list(resources::kConfigMap, "kube-system",
                          {.label_selector = fmt::format("{}={}", kInventoryLabel, set_name)});
    EXPECT_TRUE(list);
    auto read = Inventory::parse(set_name, *base::get_array(*list, "items"));
    EXPECT_TRUE(read);
    return *std::move(read);
  }
  void remove_all(const std::string& set_name) {
    begin_uninstall(set_name, true);
    ASSERT_TRUE(is_settled()) << words();
  }

  static std::optional<std::string> missing_;
  static std::unique_ptr<Site> site_;
  // Of the loop's thread.
  std::unique_ptr<CountingClient> client_;
  std::unique_ptr<Installer> installer_;
  std::unique_ptr<Uninstaller> uninstaller_;
  InstallStatus status_;
  bool is_dying_ = false;
  CountingClient::Counts total_;  // of all lives that have ended
};

std::optional<std::string> AddonsTest::missing_;
std::unique_ptr<Site> AddonsTest::site_;

// --- the 641 objects -----------------------------------------------------------------

class KubeflowTest : public AddonsTest {
 protected:
  static void SetUpTestSuite() {
    const char* path = std::getenv("VK8S_KUBEFLOW_MANIFESTS");
    if (path == nullptr) {
      missing_ =
          "VK8S_KUBEFLOW_MANIFESTS is not set: it names a file with Kubeflow's rendered manifests";
      return;
    }
    AddonsTest::SetUpTestSuite();
    auto files = read_manifest_archive(path, "");
    ASSERT_TRUE(files) << files.error().message();
    auto set = ManifestSet::create(*files);
    ASSERT_TRUE(set) << set.error().message();
    ManifestSet next = *set;
    make_next(next.mutable_manifests());
    plan_ = make_plan(std::make_shared<const ManifestSet>(*std::move(set)));
    next_plan_ = make_plan(std::make_shared<const ManifestSet>(std::move(next)));
  }
  static void TearDownTestSuite() {
    plan_.reset();
    next_plan_.reset();
    AddonsTest::TearDownTestSuite();
  }

  static bool is_of_katib(const Manifest& one) {
    const std::set<std::string> kinds = {"experiments.kubeflow.org", "suggestions.kubeflow.org",
                                         "trials.kubeflow.org"};
    return one.id.name.find("katib") != std::string::npos || kinds.contains(one.id.name);
  }
  // A version without Katib (CRDs, webhooks and a claim among it), with another image.
  static void make_next(std::vector<Manifest>& manifests) {
    std::erase_if(manifests, is_of_katib);
    for (Manifest& one : manifests) {
      if (one.id == kChanged) {
        one.object.at("spec").as_object()["replicas"] = 2;
      }
    }
  }
  void ensure_installed() {
    begin_install(plan_, "kubeflow");
    ASSERT_TRUE(is_settled()) << words();
  }
  void expect_whole(const Plan& plan) {
    EXPECT_EQ(count(*plan_, "kubeflow"), plan.manifests().size());
    EXPECT_EQ(inventory("kubeflow").entries().size(), plan.manifests().size());
    EXPECT_EQ(inventory("kubeflow").state(), InventoryState::kInstalled);
  }
  void expect_nothing() {
    EXPECT_EQ(count(*plan_, "kubeflow"), 0U);
    EXPECT_TRUE(inventory("kubeflow").empty());
    for (const Manifest& one : plan_->manifests()) {
      if (one.stage == Stage::kNamespaces || one.stage == Stage::kDefinitions) {
        const auto there = site_->api().get(
            {one.id.group, one.version, one.plural, one.id.kind, false}, one.id.key());
        EXPECT_EQ(there ? Errc::kInternal : there.error().code(), Errc::kNotFound)
            << one.id.to_string();
      }
    }
  }

  static const inline ObjectId kChanged{"apps", "Deployment", "kubeflow", "ml-pipeline"};
  static std::shared_ptr<const Plan> plan_;
  static std::shared_ptr<const Plan> next_plan_;
};

std::shared_ptr<const Plan> KubeflowTest::plan_;
std::shared_ptr<const Plan> KubeflowTest::next_plan_;

// Each test brings about what it begins with; in this order that is mostly there already.

TEST_F(KubeflowTest, GoesOnAfterADeathAtEveryStage) {
  remove_all("kubeflow");
  die();
  total_ = {};
  for (const Stage stage : {Stage::kNamespaces, Stage::kDefinitions, Stage::kConfiguration,
                            Stage::kWorkloads, Stage::kWebhooks, Stage::kCustomResources}) {
    begin_install(plan_, "kubeflow", [stage](const std::string& verb, const ObjectId& id) {
      return verb == "apply" && stage_of(id.group, id.kind) == stage;
    });
    ASSERT_TRUE(is_dead()) << to_string(stage) << ": " << words();
    EXPECT_EQ(inventory("kubeflow").entries().size(), 641U) << to_string(stage);
    EXPECT_EQ(inventory("kubeflow").state(), InventoryState::kInstalling);
  }
  begin_install(plan_, "kubeflow");
  ASSERT_TRUE(is_settled()) << words();
  expect_whole(*plan_);
  die();
  // Again only what was under way when one of them died.
  EXPECT_LT(total_.requests.at("apply"), 641 + 6 * 16 + 30);
  EXPECT_EQ(total_.failed_webhooks, 0);
}

TEST_F(KubeflowTest, ASuccessorThatHasNothingToDoWritesNothing) {
  ensure_installed();
  std::vector<std::string> writes;
  begin_install(plan_, "kubeflow", [&writes](const std::string& verb, const ObjectId& id) {
    if (verb != "get" && verb != "list") {
      writes.push_back(verb + " " + id.to_string());
    }
    return false;
  });
  ASSERT_TRUE(is_settled()) << words();
  const auto requests = counts().requests;
  die();
  EXPECT_THAT(writes, IsEmpty());
  EXPECT_EQ(requests.at("get"), 641);
}

TEST_F(KubeflowTest, AnUpgradePrunesWhatTheNewVersionDropped) {
  ensure_installed();
  const std::size_t dropped = plan_->manifests().size() - next_plan_->manifests().size();
  EXPECT_GT(dropped, 20U);
  begin_install(next_plan_, "kubeflow",
                [](const std::string& verb, const ObjectId&) { return verb == "delete"; });
  ASSERT_TRUE(is_dead()) << words();
  begin_install(next_plan_, "kubeflow");
  ASSERT_TRUE(is_settled()) << words();
  // Katib's database stays, and the message says so.
  EXPECT_THAT(status().message, HasSubstr("PersistentVolumeClaim kubeflow/katib-mysql is kept"));
  EXPECT_EQ(count(*plan_, "kubeflow"), next_plan_->manifests().size() + 1);
  EXPECT_EQ(inventory("kubeflow").entries().size(), next_plan_->manifests().size() + 1);
  const auto changed = site_->api().get(resources::kDeployment, kChanged.key());
  ASSERT_TRUE(changed);
  EXPECT_EQ(base::get_int(*changed, "spec.replicas"), 2);
  die();
  EXPECT_EQ(total_.failed_webhooks, 0);
}

TEST_F(KubeflowTest, UninstallsToTheLastObjectWhateverDiesInBetween) {
  ensure_installed();
  for (const int rank : {0, 1, 3, 4, 5, 6, 7}) {
    begin_uninstall("kubeflow", true, [rank](const std::string& verb, const ObjectId& id) {
      return verb == "delete" && removal_rank(id) == rank;
    });
    ASSERT_TRUE(is_dead()) << rank << ": " << words();
    EXPECT_EQ(inventory("kubeflow").state(), InventoryState::kRemoving) << rank;
  }
  begin_uninstall("kubeflow", true);
  ASSERT_TRUE(is_settled()) << words();
  EXPECT_EQ(status().message, "");
  expect_nothing();
}

TEST_F(KubeflowTest, AppliesEveryObjectOnceAndNoneBeforeItsWebhookAnswers) {
  remove_all("kubeflow");
  const int reviews = site_->reviews();
  const auto start = std::chrono::steady_clock::now();
  begin_install(plan_, "kubeflow");
  ASSERT_TRUE(is_settled()) << words();
  const auto took = std::chrono::duration<double>(std::chrono::steady_clock::now() - start);
  const CountingClient::Counts counts = this->counts();
  std::cout << fmt::format("641 objects ready after {:.1f} s, {} requests", took.count(),
                           counts.total());
  for (const auto& [verb, number] : counts.requests) {
    std::cout << fmt::format(", {} {}", number, verb);
  }
  std::cout << fmt::format("; {} reviews\n", site_->reviews() - reviews);
  expect_whole(*plan_);
  EXPECT_EQ(status().phase, InstallPhase::kReady);
  EXPECT_EQ(status().progress, 100);
  EXPECT_EQ(counts.failed_webhooks, 0);
  EXPECT_EQ(counts.conflicts, 0);
  EXPECT_GT(site_->reviews(), reviews) << "webhooks are called for what they match";
  // A few are asked for before the API server serves their kind everywhere.
  EXPECT_LT(counts.requests.at("apply"), 641 + 30);
  EXPECT_LE(counts.requests.at("get"), 641);
}

// --- what addons/build.sh renders -----------------------------------------------------

class RenderedSetsTest : public AddonsTest {
 protected:
  static void SetUpTestSuite() {
    if (std::getenv(kFolders) == nullptr) {
      missing_ =
          std::string(kFolders) + " is not set: folders that addons/build.sh printed, by ':'";
      return;
    }
    AddonsTest::SetUpTestSuite();
  }
  // The folder's set, with every image in its place.
  static std::shared_ptr<const Plan> read(const std::string& folder) {
    const auto files = read_manifest_folder(folder);
    EXPECT_TRUE(files) << files.error().message();
    auto set = ManifestSet::create(*files);
    EXPECT_TRUE(set) << set.error().message();
    const auto lock = ImageLock::parse(set->image_lock());
    EXPECT_TRUE(lock) << lock.error().message();
    const ImageReport report = rewrite_images(*set, *lock, "registry.example");
    for (const auto& uses : {report.missing, report.doubtful}) {
      for (const ImageUse& use : uses) {
        ADD_FAILURE() << use.object.to_string() << ": " << use.image << " is not in the lock";
      }
    }
    return make_plan(std::make_shared<const ManifestSet>(*std::move(set)));
  }

  static constexpr const char* kFolders = "VK8S_ADDON_SETS";
};

TEST_F(RenderedSetsTest, GoInWholeAndLeaveNothing) {
  for (const std::string_view folder : base::split(std::getenv(kFolders), ':')) {
    SCOPED_TRACE(folder);
    const auto plan = read(std::string(folder));
    ASSERT_FALSE(plan->manifests().empty());
    begin_install(plan, "rendered");
    ASSERT_TRUE(is_settled()) << words();
    EXPECT_EQ(status().phase, InstallPhase::kReady) << words();
    EXPECT_EQ(count(*plan, "rendered"), plan->manifests().size());
    EXPECT_EQ(counts().failed_webhooks, 0);
    remove_all("rendered");
    EXPECT_EQ(count(*plan, "rendered"), 0U);
    EXPECT_TRUE(inventory("rendered").empty());
  }
}

// --- sets of our own ------------------------------------------------------------------

constexpr const char* kWidgets = R"(
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.test.example.org}
spec:
  group: test.example.org
  names: {kind: Widget, plural: widgets, singular: widget, listKind: WidgetList}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
---
apiVersion: test.example.org/v1
kind: Widget
metadata: {name: one, namespace: widgets}
---
apiVersion: v1
kind: Namespace
metadata: {name: widgets}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: widgets}
data: {a: "1"}
)";

constexpr const char* kServer = R"(
apiVersion: v1
kind: Namespace
metadata: {name: edited}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: server, namespace: edited}
spec:
  replicas: 1
  selector: {matchLabels: {app: server}}
  template:
    metadata: {labels: {app: server}}
    spec: {containers: [{name: c, image: "server:1"}]}
)";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

TEST_F(AddonsTest, AUsersDefinitionOfAnotherVersionIsReportedAndLeftAlone) {
  const auto set = testing::set_of(replaced(kWidgets, "name: v1\n", "name: v1alpha1\n"));
  const auto& definition = set.manifests().front();
  ASSERT_TRUE(site_->api().create(resources::kCustomResourceDefinition, "", definition.object));
  begin_install(testing::plan_of(kWidgets), "widgets");
  EXPECT_TRUE(
      shows("CustomResourceDefinition widgets.test.example.org: it is there already and "
            "not of this add-on"))
      << words();
  const auto there = site_->api().get(resources::kCustomResourceDefinition, definition.id.key());
  ASSERT_TRUE(there);
  EXPECT_FALSE(is_of_set(*there, "widgets"));
  EXPECT_EQ(text_at(base::get_array(*there, "spec.versions")->front(), "name"), "v1alpha1");
  remove_all("widgets");
  EXPECT_TRUE(site_->api().get(resources::kCustomResourceDefinition, definition.id.key()))
      << "an uninstallation does not touch it either";
  ASSERT_TRUE(site_->api().remove(resources::kCustomResourceDefinition, definition.id.key()));
}

TEST_F(AddonsTest, AUsersEditStaysAndIsReportedByItsField) {
  begin_install(testing::plan_of(kServer), "edited");
  ASSERT_TRUE(is_settled()) << words();
  const kube::ObjectKey key{"edited", "server"};
  ASSERT_TRUE(site_->api().merge_patch(resources::kDeployment, key,
                                       JsonObject{{"spec", JsonObject{{"replicas", 3}}}}));
  begin_install(testing::plan_of(replaced(replaced(kServer, "replicas: 1", "replicas: 2"),
                                          "server:1", "server:2")),
                "edited");
  ASSERT_TRUE(is_settled()) << words();
  const auto there = site_->api().get(resources::kDeployment, key);
  ASSERT_TRUE(there);
  EXPECT_EQ(base::get_int(*there, "spec.replicas"), 3);
  const Json& container = base::get_array(*there, "spec.template.spec.containers")->front();
  EXPECT_EQ(text_at(container, "image"), "server:2");
  EXPECT_TRUE(shows("spec.replicas is as kubectl-edit has set it")) << words();
  remove_all("edited");
}

TEST_F(AddonsTest, KeepsDataOnUninstallationUntilToldOtherwise) {
  const auto plan = testing::plan_of(std::string(kWidgets) + R"(
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: widgets}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
)");
  begin_install(plan, "widgets");
  ASSERT_TRUE(is_settled()) << words();
  begin_uninstall("widgets", false);
  ASSERT_TRUE(is_settled()) << words();
  EXPECT_THAT(status().message, HasSubstr("PersistentVolumeClaim widgets/data is kept"));
  EXPECT_THAT(status().message, HasSubstr("Namespace widgets is kept"));
  EXPECT_EQ(count(*plan, "widgets"), 2U);
  remove_all("widgets");
  EXPECT_EQ(count(*plan, "widgets"), 0U);
  EXPECT_TRUE(inventory("widgets").empty());
}

}  // namespace
}  // namespace vk8s::addons
