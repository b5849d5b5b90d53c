// What a node takes of the machine stays its own: memory, cgroups, mounts.
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/text.h"
#include "e2e/fixture.h"
#include "e2e/processes.h"
#include "e2e/workload.h"
#include "sys/file.h"

namespace vk8s::e2e {
namespace {

using std::chrono::seconds;
using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kHostCgroup = "e2e-host/";

class ResourcesTest : public HostTest {
 protected:
  std::string of_pod(const std::string& in, const std::string& pod, const std::string& path) const {
    return kubectl()({"-n", in, "get", "pod", pod, "-o", "jsonpath={" + path + "}"}).value_or("");
  }

  // The container that is a node: its processes and cgroups have this in their paths.
  std::string container_of(const std::string& in, const std::string& node) const {
    const std::string id = of_pod(in, node + "-0", ".status.containerStatuses[0].containerID");
    const std::size_t scheme = id.find("://");
    return scheme == std::string::npos ? "" : id.substr(scheme + 3);
  }

  // Until the node runs in another container, and is Ready.
  Status wait_for_restart(const std::string& in, const std::string& node,
                          const std::string& before) const {
    return wait_until(
        [&] {
          const std::string now = container_of(in, node);
          const std::string ready = of_pod(in, node + "-0", ".status.containerStatuses[0].ready");
          return Answer{!now.empty() && now != before && ready == "true", now + " " + ready};
        },
        seconds(90), node + " is Ready in a new container");
  }

  // Of a host node and of the machine, "<root> <mount point> <type>", without the container's id.
  std::string mounts_of(const std::string& host_node, const std::string& container) const {
    std::vector<std::string> out;
    for (const Process& process : list_processes()) {
      if (process.name == "kubelet" &&
          is_in_cgroup(process, std::string(kHostCgroup) + host_node + "/") &&
          !is_in_cgroup(process, "/kubepods/")) {
        add_mounts(fmt::format("/proc/{}/mountinfo", process.pid), "", out);
      }
    }
    EXPECT_THAT(out, testing::Not(IsEmpty())) << "no kubelet of " << host_node;
    add_mounts("/proc/self/mountinfo", "e2e", out);
    // The name of a container differs after a restart, and is left out of the order too.
    for (std::string& mount : out) {
      for (std::size_t at = 0;
           !container.empty() && (at = mount.find(container, at)) < mount.size();) {
        mount.replace(at, container.size(), "CONTAINER");
      }
    }
    std::sort(out.begin(), out.end());
    return fmt::format("{}", fmt::join(out, "\n"));
  }

 private:
  // Source: proc_pid_mountinfo(5).
  static void add_mounts(const std::string& file, std::string_view part,
                         std::vector<std::string>& out) {
    const std::string text = sys::read_file(file).value_or("");
    for (const std::string_view line : base::split(text, '\n')) {
      const auto fields = base::split(line, ' ');
      const auto dash = std::find(fields.begin(), fields.end(), "-");
      if (fields.size() > 5 && fields.end() - dash > 1 &&
          line.find(part) != std::string_view::npos) {
        out.push_back(fmt::format("{} {} {}", fields[3], fields[4], *(dash + 1)));
      }
    }
  }
};

// Of every hierarchy, "/sys/fs/cgroup/memory/e2e-host/host-1"; not whole while some go.
std::set<std::string> list_cgroups() {
  std::set<std::string> out;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator entry("/sys/fs/cgroup", error), end;
       entry != end; entry.increment(error)) {
    std::error_code gone;
    if (!entry->is_symlink(gone) && entry->is_directory(gone)) {
      out.insert(entry->path().string());
    }
  }
  return out;
}

Result<std::set<std::string>> settled_cgroups() {
  std::set<std::string> out;
  VK8S_TRY(settled([&out] {
    out = list_cgroups();
    return fmt::format("{}", fmt::join(out, "\n"));
  }));
  return out;
}

// Of the node's own tree nothing is asked.
std::vector<std::string> outside(const std::set<std::string>& cgroups, std::string_view container,
                                 std::string_view part) {
  std::vector<std::string> out;
  for (const std::string& path : cgroups) {
    if (path.find(part) != std::string::npos && path.find(container) == std::string::npos) {
      out.push_back(path);
    }
  }
  return out;
}

std::vector<pid_t> processes_of(std::string_view name, std::string_view container) {
  std::vector<pid_t> out;
  for (const Process& process : list_processes()) {
    if (process.name == name && is_in_cgroup(process, container)) {
      out.push_back(process.pid);
    }
  }
  return out;
}

// Pod NAME that runs this, with so much memory ("" = what the node has).
std::string pod_manifest(const std::string& name, const std::string& command,
                         const std::string& memory) {
  return fmt::format(R"(apiVersion: v1
kind: Pod
metadata: {{name: {}}}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: busybox
    imagePullPolicy: IfNotPresent
    command: [{}]
    resources: {{{}}}
)",
                     name, command,
                     memory.empty() ? "" : fmt::format("limits: {{memory: {}}}", memory));
}

TEST_F(ResourcesTest, AKilledNodeLeavesNoMountOfItsVolumesOnTheHost) {
  ensure_namespace("mounts");
  auto cluster = VirtualCluster::create(host(), "mounts", "one", vk8s_manifest("mounts", "one", 0));
  ASSERT_TRUE(ok(cluster));
  const std::string node = "one-master-1";
  const std::string host_node = of_pod("mounts", node + "-0", ".spec.nodeName");
  const std::string container = container_of("mounts", node);
  ASSERT_NE(container, "");
  const auto before = settled([&] { return mounts_of(host_node, container); });
  ASSERT_TRUE(ok(before));

  ASSERT_TRUE(ok(cluster->kubectl().apply(client_manifest())));
  ASSERT_TRUE(ok(cluster->kubectl().wait({"pod/client"}, "condition=Ready")));
  ASSERT_TRUE(
      ok(cluster->kubectl()({"exec", "client", "--", "sh", "-c", "echo kept >/data/mark"})));
  const auto inside =
      kubectl()({"-n", "mounts", "exec", node + "-0", "--", "cat", "/proc/self/mountinfo"});
  ASSERT_TRUE(ok(inside));
  EXPECT_THAT(*inside, HasSubstr("kubernetes.io~local-volume"));
  EXPECT_EQ(mounts_of(host_node, container), *before) << "inner mounts reach the host";

  ASSERT_TRUE(ok(kill_process("vk8s-agent", container)));
  ASSERT_TRUE(ok(wait_for_restart("mounts", node, container)));
  const std::string restarted = container_of("mounts", node);
  const auto after = settled([&] { return mounts_of(host_node, restarted); });
  ASSERT_TRUE(ok(after));
  EXPECT_EQ(*after, *before);
  EXPECT_TRUE(ok(cluster->kubectl().wait_for_output({"exec", "client", "--", "cat", "/data/mark"},
                                                    "kept", seconds(90))));
  EXPECT_TRUE(ok(cluster->remove()));
}

TEST_F(ResourcesTest, AnInnerPodThatTakesAllMemoryDiesAndNothingElse) {
  ensure_namespace("memory");
  auto cluster =
      VirtualCluster::create(host(), "memory", "one", R"(apiVersion: vk8s.sktelecom.com/v1alpha1
kind: Vk8s
metadata: {namespace: memory, name: one}
spec: {nodes: [{name: one-master-1, role: master, resources: {limits: {cpu: "2", memory: 2Gi}}}]}
)");
  ASSERT_TRUE(ok(cluster));
  const Kubectl& inner = cluster->kubectl();
  const std::string container = container_of("memory", "one-master-1");
  ASSERT_NE(container, "");
  const auto servers = processes_of("kube-apiserver", container);
  ASSERT_EQ(servers.size(), 1U);
  const std::string restarts =
      R"(jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} {.status.containerStatuses[*].restartCount}{"\n"}{end})";
  const auto host_pods = kubectl()({"get", "pods", "-A", "-o", restarts});
  ASSERT_TRUE(ok(host_pods));
  const auto before = settled_cgroups();
  ASSERT_TRUE(ok(before));

  ASSERT_TRUE(ok(inner.apply(pod_manifest("calm", "sleep, '86400'", ""))));
  ASSERT_TRUE(ok(inner.wait({"pod/calm"}, "condition=Ready")));
  for (const char* memory : {"64Mi", ""}) {
    const std::string name = *memory != 0 ? "hog-limited" : "hog-free";
    ASSERT_TRUE(ok(inner.apply(pod_manifest(name, "tail, /dev/zero", memory))));
    ASSERT_TRUE(ok(inner.wait_for_output({"get", "pod", name, "-o", "jsonpath={.status.phase}"},
                                         "Failed", seconds(120))));
    const auto how =
        inner({"get", "pod", name, "-o",
               "jsonpath={.status.reason} {.status.containerStatuses[*].state.terminated.reason}"});
    ASSERT_TRUE(ok(how));
    EXPECT_THAT(*how, AnyOf(HasSubstr("OOMKilled"), HasSubstr("Evicted"))) << name;
    EXPECT_EQ(processes_of("kube-apiserver", container), servers) << "after " << name;
  }

  const auto after = settled_cgroups();
  ASSERT_TRUE(ok(after));
  std::set<std::string> made;
  std::set_difference(after->begin(), after->end(), before->begin(), before->end(),
                      std::inserter(made, made.end()));
  EXPECT_THAT(outside(made, container, kHostCgroup), IsEmpty());
  const auto calm = inner({"get", "pod", "calm", "-o", "jsonpath={.metadata.uid}"});
  ASSERT_TRUE(ok(calm));
  EXPECT_TRUE(std::any_of(after->begin(), after->end(), [&](const std::string& path) {
    return path.find(*calm) != std::string::npos && path.find(container) != std::string::npos;
  })) << "pod calm has no cgroup in the node's";
  EXPECT_THAT(outside(*after, container, *calm), IsEmpty());
  EXPECT_EQ(kubectl()({"get", "pods", "-A", "-o", restarts}).value_or(""), *host_pods);
  EXPECT_TRUE(ok(cluster->remove()));
}

}  // namespace
}  // namespace vk8s::e2e
