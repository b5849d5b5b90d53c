// Answers of a slow question, kept for a while: those who ask the same meanwhile share
// one. Bounded; errors are not kept.
//
// On one thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/event_loop.h"

namespace vk8s::ipmanager {

template <class Answer>
class AnswerCache {
 public:
  using Callback = std::function<void(const Result<Answer>&)>;
  // Puts the question; answers once, later or from inside the call.
  using Question = std::function<void(Callback)>;

  // timers outlives it; the callback of a Question does not.
  AnswerCache(Timers& timers, std::chrono::nanoseconds lifetime, std::size_t most)
      : timers_(timers), lifetime_(lifetime), most_(most) {}
  AnswerCache(const AnswerCache&) = delete;
  AnswerCache& operator=(const AnswerCache&) = delete;

  // Calls back once, from inside the call where the answer is known.
  void ask(const std::string& key, Callback callback, const Question& question) {
    const auto found = kept_.find(key);
    if (found != kept_.end() && timers_.now() < found->second.end) {
      const Result<Answer> answer = found->second.answer;
      callback(answer);
      return;
    }
    std::vector<Callback>& waiting = waiting_[key];
    waiting.push_back(std::move(callback));
    if (waiting.size() == 1) {
      question([this, key](const Result<Answer>& answer) { take(key, answer); });
    }
  }

  std::size_t size() const { return kept_.size(); }

 private:
  struct Kept {
    Answer answer;
    Timers::TimePoint end;
  };

  void take(const std::string& key, const Result<Answer>& answer) {
    if (answer) {
      keep(key, *answer);
    }
    auto waiting = waiting_.extract(key);
    for (const Callback& callback : waiting.mapped()) {
      callback(answer);
    }
  }

  void keep(const std::string& key, const Answer& answer) {
    const auto now = timers_.now();
    std::erase_if(kept_, [&](const auto& each) { return each.second.end <= now; });
    if (kept_.size() >= most_) {
      // All live equally long: the one that ends first is the oldest.
      kept_.erase(std::min_element(kept_.begin(), kept_.end(), [](const auto& a, const auto& b) {
        return a.second.end < b.second.end;
      }));
    }
    kept_.insert_or_assign(key, Kept{answer, now + lifetime_});
  }

  Timers& timers_;
  const std::chrono::nanoseconds lifetime_;
  const std::size_t most_;
  std::map<std::string, Kept> kept_;
  std::map<std::string, std::vector<Callback>> waiting_;
};

}  // namespace vk8s::ipmanager
