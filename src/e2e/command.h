// Programs that a test runs as a user would.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace vk8s::e2e {

struct Command {
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment = {};  // beside PATH, HOME and the like
  std::string standard_input = {};
  std::chrono::milliseconds timeout = std::chrono::seconds(60);
};

// Standard output. Anything but exit status 0 is an error with the last words.
Result<std::string> run(const Command& command);

// kubectl with one kubeconfig.
class Kubectl {
 public:
  Kubectl(std::string program, std::string kubeconfig);

  using Arguments = std::vector<std::string>;
  Result<std::string> operator()(
      Arguments arguments, std::string standard_input = {},
      std::chrono::milliseconds timeout = std::chrono::seconds(60)) const;
  // `get ... -o json`.
  Result<Json> get(Arguments what) const;
  Status apply(std::string manifest) const;
  // `wait WHAT --for=CONDITION`.
  Status wait(Arguments what, const std::string& condition,
              std::chrono::seconds limit = std::chrono::seconds(60)) const;
  // Asks again and again until the command's output contains text.
  Status wait_for_output(const Arguments& arguments, std::string_view text,
                         std::chrono::seconds limit = std::chrono::seconds(60)) const;

  const std::string& kubeconfig() const { return kubeconfig_; }
  const std::string& program() const { return program_; }

 private:
  std::string program_;
  std::string kubeconfig_;
};

// Runs look() every 100 ms until it says yes. What it said last is in the error.
struct Answer {
  bool yes = false;
  std::string words;
};
Status wait_until(const std::function<Answer()>& look, std::chrono::milliseconds limit,
                  std::string_view what);

// What look() says once it has said the same for a second.
Result<std::string> settled(const std::function<std::string()>& look,
                            std::chrono::milliseconds limit = std::chrono::seconds(30));

}  // namespace vk8s::e2e
