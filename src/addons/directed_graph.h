// A directed graph of numbered nodes. A value.
#pragma once

#include <cstddef>
#include <vector>

namespace vk8s::addons {

class DirectedGraph {
 public:
  explicit DirectedGraph(std::size_t nodes) : edges_(nodes) {}

  void add_edge(std::size_t from, std::size_t to) { edges_[from].push_back(to); }

  // For each node the number of its strongly connected component: two nodes have the
  // same one where each can be reached from the other.
  // Source: R. Tarjan, "Depth-first search and linear graph algorithms", 1972.
  std::vector<std::size_t> strong_components() const;

 private:
  std::vector<std::vector<std::size_t>> edges_;
};

}  // namespace vk8s::addons
