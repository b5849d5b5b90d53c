// What a cluster's nodes are doing, as lines for people. Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "cli/cluster_view.h"
#include "cli/surroundings.h"

namespace vk8s::cli {

// The live picture: one line for the cluster, one for each node, one for the
// message if there is one. It fits on the terminal: lines are cut, and of more nodes
// than there is room for, those that are Ready are left out first.
std::vector<std::string> live_lines(const ClusterView& cluster,
                                    std::chrono::duration<double> elapsed, TerminalSize size);

// One line for the cluster and for each node that is not what it was the last time;
// `told` keeps that between calls.
std::vector<std::string> changed_lines(const ClusterView& cluster,
                                       std::map<std::string, std::string>& told);

// A picture on a terminal that is drawn again and again in one place: the bytes to
// print. finish() gives the terminal back.
class LivePicture {
 public:
  std::string draw(const std::vector<std::string>& lines);
  std::string finish();

 private:
  std::size_t drawn_ = 0;
  bool hides_cursor_ = false;
};

}  // namespace vk8s::cli
