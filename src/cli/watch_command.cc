#include <map>

#include "cli/cluster_follower.h"
#include "cli/commands.h"
#include "cli/progress_view.h"
#include "cli/verb.h"

namespace vk8s::cli {
namespace {

using namespace std::chrono_literals;

struct WatchFlags {
  ConnectionOptions connection;
  std::string name;
  double timeout_seconds = 0;
  bool follow = false;
};

// Shows each state: on a terminal as one picture, else as lines of what changed.
class ProgressPrinter {
 public:
  explicit ProgressPrinter(Session& session) : session_(session) {}
  ~ProgressPrinter() { write(picture_.finish()); }
  ProgressPrinter(const ProgressPrinter&) = delete;
  ProgressPrinter& operator=(const ProgressPrinter&) = delete;

  bool is_live() const { return session_.surroundings().output_size().has_value(); }

  void show(const ClusterView& cluster) {
    cluster_ = cluster;
    if (is_live()) {
      redraw();
      return;
    }
    for (const std::string& line : changed_lines(cluster, told_)) {
      session_.print(fmt::format("[{:5.1f} s] {}", session_.elapsed().count(), line));
    }
  }

  void redraw() {
    const auto size = session_.surroundings().output_size();
    if (size && cluster_) {
      write(picture_.draw(live_lines(*cluster_, session_.elapsed(), *size)));
    }
  }

 private:
  void write(const std::string& bytes) {
    if (!bytes.empty()) {
      session_.write(bytes);
    }
  }

  Session& session_;
  LivePicture picture_;
  std::optional<ClusterView> cluster_;
  std::map<std::string, std::string> told_;
};

Status run_watch(Session& session, const WatchFlags& flags) {
  HostApi api = VK8S_TRY(HostApi::connect(session.surroundings(), flags.connection));
  ProgressPrinter printer(session);
  FollowOptions options{.timeout = std::chrono::duration<double>(flags.timeout_seconds)};
  options.tick = printer.is_live() ? 1s : 0s;
  options.on_tick = [&printer] { printer.redraw(); };
  Status done = follow_cluster(
      api, flags.name, options, [&](const ClusterView* cluster) -> std::optional<Status> {
        if (cluster != nullptr) {
          printer.show(*cluster);
        }
        // With --follow only its end, or the user, ends it.
        return cluster != nullptr && flags.follow ? std::nullopt : outcome_of(flags.name, cluster);
      });
  if (!done && flags.follow && done.error().code() == Errc::kCancelled) {
    return {};
  }
  if (!done && done.error().code() == Errc::kTimeout) {
    return fail(Errc::kTimeout, "cluster \"{}\" is not Running after {} s", flags.name,
                flags.timeout_seconds);
  }
  return done;
}

}  // namespace

void add_watch_command(CLI::App& root, Session& session) {
  const auto flags = std::make_shared<WatchFlags>();
  CLI::App* verb =
      add_verb(root, {"watch",
                      "Show what each node is doing, until the cluster is Running",
                      {"kubectl vk8s watch team-a", "kubectl vk8s watch team-a --follow",
                       "kubectl vk8s watch team-a --timeout 60 > steps.txt"}});
  add_cluster_argument(*verb, flags->name);
  verb->add_flag("-f,--follow", flags->follow, "Go on after it is Running, until interrupted");
  verb->add_option("--timeout", flags->timeout_seconds, "Seconds; 0 = without end")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 86400.0));
  add_connection_options(*verb, flags->connection);
  set_action(*verb, session, flags, run_watch);
}

}  // namespace vk8s::cli
