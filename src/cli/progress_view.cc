#include "cli/progress_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cli/clean_text.h"

namespace vk8s::cli {
namespace {

constexpr std::size_t kBarCells = 20;

std::string bar(int percent) {
  const auto filled = static_cast<std::size_t>(percent) * kBarCells / 100;
  return "[" + std::string(filled, '#') + std::string(kBarCells - filled, '.') + "]";
}

std::string padded(const std::string& text, std::size_t width) {
  const std::size_t own = display_width(text);
  return own < width ? text + std::string(width - own, ' ') : text;
}

// At most so many: those that are not Ready before those that are, in their order.
std::vector<NodeView> most_interesting(std::vector<NodeView> nodes, std::size_t limit) {
  if (nodes.size() > limit) {
    std::stable_partition(nodes.begin(), nodes.end(),
                          [](const NodeView& node) { return node.phase != "Ready"; });
    nodes.resize(limit);
  }
  return nodes;
}

std::vector<std::string> node_lines(const std::vector<NodeView>& nodes, std::size_t columns) {
  std::size_t name_width = 0;
  std::size_t phase_width = 0;
  for (const NodeView& node : nodes) {
    name_width = std::max(name_width, display_width(node.name));
    phase_width = std::max(phase_width, display_width(node.phase));
  }
  // Indent, name, role, phase, bar and percent, each two columns from the next.
  const bool has_bar = 2 + name_width + 2 + 6 + 2 + phase_width + 2 + kBarCells + 2 + 5 <= columns;
  std::vector<std::string> lines;
  for (const NodeView& node : nodes) {
    lines.push_back(fmt::format("  {}  {:<6}  {}  {}{:>3}%  {}", padded(node.name, name_width),
                                node.role, padded(node.phase, phase_width),
                                has_bar ? bar(node.progress) + " " : "", node.progress,
                                node.message));
  }
  return lines;
}

}  // namespace

std::vector<std::string> live_lines(const ClusterView& cluster,
                                    std::chrono::duration<double> elapsed, TerminalSize size) {
  // Room for the heading, the message, the count of the rest, and the cursor's line.
  const std::vector<NodeView> nodes =
      most_interesting(cluster.nodes, size.rows > 5 ? size.rows - 4 : 1);
  std::vector<std::string> lines = {fmt::format("{}  {}  Kubernetes {}  {} nodes ready  {:.0f} s",
                                                cluster.name, cluster.phase, cluster.version,
                                                cluster.ready_nodes, elapsed.count())};
  for (std::string& line : node_lines(nodes, size.columns)) {
    lines.push_back(std::move(line));
  }
  if (nodes.size() < cluster.nodes.size()) {
    lines.push_back(fmt::format("  and {} more", cluster.nodes.size() - nodes.size()));
  }
  if (!cluster.message.empty()) {
    lines.push_back(cluster.message);
  }
  for (std::string& line : lines) {
    line.erase(line.find_last_not_of(' ') + 1);
    line = fit_to_width(line, size.columns);
  }
  return lines;
}

std::vector<std::string> changed_lines(const ClusterView& cluster,
                                       std::map<std::string, std::string>& told) {
  std::vector<std::string> out;
  const auto tell = [&](const std::string& subject, std::string text) {
    std::string& last = told[subject];
    if (last != text) {
      out.push_back(fmt::format("{}: {}", subject, text));
      last = std::move(text);
    }
  };
  for (const NodeView& node : cluster.nodes) {
    tell(node.name, fmt::format("{} {}%{}{}", node.phase, node.progress,
                                node.message.empty() ? "" : " ", node.message));
  }
  // A node's message is the cluster's as well while it is the one waited for.
  tell(cluster.name, fmt::format("{} {}", cluster.phase, cluster.ready_nodes));
  return out;
}

std::string LivePicture::draw(const std::vector<std::string>& lines) {
  std::string out = hides_cursor_ ? "" : "\x1b[?25l";
  hides_cursor_ = true;
  if (drawn_ > 0) {
    out += fmt::format("\x1b[{}A", drawn_);
  }
  out += "\r";
  for (const std::string& line : lines) {
    out += line + "\x1b[K\n";
  }
  out += "\x1b[J";
  drawn_ = lines.size();
  return out;
}

std::string LivePicture::finish() {
  drawn_ = 0;
  return std::exchange(hides_cursor_, false) ? "\x1b[?25h" : "";
}

}  // namespace vk8s::cli
