#include "addons/directed_graph.h"

#include <algorithm>
#include <limits>

namespace vk8s::addons {
namespace {

constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

// Depth-first without recursion: sets are of others' size.
class Search {
 public:
  explicit Search(const std::vector<std::vector<std::size_t>>& edges)
      : edges_(edges),
        order_(edges.size(), kNone),
        lowest_(edges.size(), kNone),
        component_(edges.size(), kNone) {}

  std::vector<std::size_t> run() {
    for (std::size_t node = 0; node < edges_.size(); ++node) {
      if (order_[node] == kNone) {
        search_from(node);
      }
    }
    return std::move(component_);
  }

 private:
  struct Step {
    std::size_t node;
    std::size_t next_edge = 0;
  };

  void search_from(std::size_t root) {
    enter(root);
    while (!path_.empty()) {
      Step& step = path_.back();
      if (step.next_edge < edges_[step.node].size()) {
        const std::size_t from = step.node;
        visit(from, edges_[from][step.next_edge++]);
      } else {
        leave();
      }
    }
  }

  void enter(std::size_t node) {
    order_[node] = lowest_[node] = next_order_++;
    open_.push_back(node);
    path_.push_back({.node = node});
  }

  void visit(std::size_t from, std::size_t to) {
    if (order_[to] == kNone) {
      enter(to);
    } else if (component_[to] == kNone) {
      lowest_[from] = std::min(lowest_[from], order_[to]);
    }
  }

  void leave() {
    const std::size_t node = path_.back().node;
    path_.pop_back();
    if (!path_.empty()) {
      std::size_t& above = lowest_[path_.back().node];
      above = std::min(above, lowest_[node]);
    }
    if (lowest_[node] != order_[node]) {
      return;
    }
    std::size_t member = kNone;
    while (member != node) {
      member = open_.back();
      open_.pop_back();
      component_[member] = next_component_;
    }
    ++next_component_;
  }

  const std::vector<std::vector<std::size_t>>& edges_;
  std::vector<std::size_t> order_;
  std::vector<std::size_t> lowest_;
  std::vector<std::size_t> component_;
  std::vector<std::size_t> open_;
  std::vector<Step> path_;
  std::size_t next_order_ = 0;
  std::size_t next_component_ = 0;
};

}  // namespace

std::vector<std::size_t> DirectedGraph::strong_components() const { return Search(edges_).run(); }

}  // namespace vk8s::addons
