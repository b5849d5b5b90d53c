// Whether the way to each other node carries what the overlay's device claims: a
// host whose pod interfaces promise more than its network carries loses large
// packets without a word.
// Source: RFC 4821, for probing with packets instead of trusting ICMP errors.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/icmp_echo.h"
#include "agent/overlay.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "kube/backoff.h"

namespace vk8s::agent {

// What every IPv4 network carries (RFC 791). A path is not judged to carry less.
inline constexpr int kSmallestMtu = 576;

// Which size to try next on one path: the smallest, the largest, between them by
// halves, then once more what was found (the peer may have gone meanwhile). A guess
// that is right takes two tries instead of the halving. Pure.
class MtuSearch {
 public:
  // smallest < largest.
  MtuSearch(int smallest, int largest, int guess);

  // The size to try; nothing once it is over.
  std::optional<int> next() const;
  // What came of the size that next() gave.
  void tried(bool answered);
  // At the end: the largest that passes; nothing if the peer does not answer.
  std::optional<int> found() const { return found_; }

 private:
  enum class Stage { kSmallest, kLargest, kBetween, kAgain, kOver };

  Stage stage_ = Stage::kSmallest;
  int passes_;  // once it was answered
  int fails_;   // once it was lost
  int guess_;
  std::optional<int> found_;
};

// Probes each peer when it appears or its address changes, then one of them about
// every ten minutes; one at a time. Who answers nothing is not judged. Only replies
// of full length count, so both directions are. One thread: the loop's. What is
// passed in outlives it.
class MtuProbe {
 public:
  struct Narrow {
    std::string node;
    int mtu = 0;
    bool operator==(const Narrow&) const = default;
  };

  // link_mtu: the overlay's device, which keeps it.
  MtuProbe(Timers& timers, EchoOpener open, int link_mtu, Log log);

  // The other nodes of the cluster, once packets to them are routed.
  void set_peers(const std::vector<OverlayPeer>& peers);
  // Told when an answer of those below has changed; may call set_peers().
  void on_change(std::function<void()> changed) { changed_ = std::move(changed); }

  // What is carried to that node; nothing while no less than the device's is known of.
  std::optional<int> path_mtu(const std::string& node) const;
  // The path that carries least, of those that carry less than the device claims.
  std::optional<Narrow> narrowest() const;

 private:
  struct Peer {
    OverlayPeer place;
    Timers::TimePoint due;
    unsigned unanswered = 0;      // probes in a row
    std::optional<int> path_mtu;  // if it is less than the link's
  };
  struct Probe {
    std::string node;
    MtuSearch search;
    std::unique_ptr<EchoSocket> socket;
    std::uint16_t sequence = 0;  // of the last request
    int tries = 0;               // of this size
  };

  void probe_what_is_due();
  Status begin(const Peer& peer);
  void send();
  void on_answer(std::uint16_t sequence, std::size_t packet_bytes);
  void on_silence();
  void tried(bool answered);
  void end(std::optional<int> found);
  bool judge(Peer& peer, int found);

  Timers& timers_;
  EchoOpener open_;
  int link_mtu_;
  Log log_;
  std::function<void()> changed_;
  std::map<std::string, Peer> peers_;  // by node
  std::optional<Probe> probe_;
  kube::Backoff retry_;
  kube::Backoff again_;
  bool said_why_not_ = false;
  Registration timer_;  // of the probe's next try, else of the next probe
};

// What the node's status says; "" while every path carries what the device claims.
std::string describe_narrow_path(int link_mtu, const std::optional<MtuProbe::Narrow>& narrowest);

}  // namespace vk8s::agent
