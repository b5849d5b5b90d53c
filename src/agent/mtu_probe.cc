#include "agent/mtu_probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace vk8s::agent {
namespace {

using std::chrono::milliseconds;

constexpr int kTries = 3;  // of a size, before it counts as lost
constexpr milliseconds kAnswerTime(500);
// A peer answers once it has seen this Node: its filter drops what comes before.
constexpr milliseconds kFirstRetry(500);
constexpr milliseconds kInterval = std::chrono::minutes(10);
// What made a path narrow may have been a peer that went and came.
constexpr auto kSecondLook = std::chrono::minutes(1);

bool is_same_place(const OverlayPeer& a, const OverlayPeer& b) {
  return a.node_ip == b.node_ip && a.pod_cidr == b.pod_cidr;
}

}  // namespace

MtuSearch::MtuSearch(int smallest, int largest, int guess)
    : passes_(smallest), fails_(largest), guess_(guess) {}

std::optional<int> MtuSearch::next() const {
  switch (stage_) {
    case Stage::kSmallest:
    case Stage::kAgain:
      return passes_;
    case Stage::kLargest:
      return fails_;
    case Stage::kBetween:
      if (passes_ <= guess_ && guess_ < fails_) {
        return guess_ + (guess_ == passes_ ? 1 : 0);
      }
      return passes_ + (fails_ - passes_) / 2;
    case Stage::kOver:
      break;
  }
  return std::nullopt;
}

void MtuSearch::tried(bool answered) {
  switch (stage_) {
    case Stage::kSmallest:
      stage_ = answered ? Stage::kLargest : Stage::kOver;
      return;
    case Stage::kLargest:
      if (answered) {
        found_ = fails_;
        stage_ = Stage::kOver;
        return;
      }
      stage_ = Stage::kBetween;
      break;
    case Stage::kBetween:
      (answered ? passes_ : fails_) = *next();
      break;
    case Stage::kAgain:
      if (answered) {
        found_ = passes_;
      }
      stage_ = Stage::kOver;
      return;
    case Stage::kOver:
      return;
  }
  if (fails_ - passes_ <= 1) {
    stage_ = Stage::kAgain;
  }
}

MtuProbe::MtuProbe(Timers& timers, EchoOpener open, int link_mtu, Log log)
    : timers_(timers),
      open_(std::move(open)),
      link_mtu_(std::min(link_mtu, 65535)),
      log_(std::move(log)),
      retry_(kFirstRetry, kInterval),
      again_(kInterval, kInterval) {}

void MtuProbe::set_peers(const std::vector<OverlayPeer>& peers) {
  const auto before = narrowest();
  std::map<std::string, Peer> wanted;
  for (const OverlayPeer& place : peers) {
    const auto known = peers_.find(place.node);
    Peer peer = known == peers_.end() ? Peer{} : std::move(known->second);
    if (!is_same_place(peer.place, place)) {
      peer.due = timers_.now();  // what was found holds until then
      peer.unanswered = 0;
      if (probe_ && probe_->node == place.node) {
        probe_.reset();
      }
    }
    peer.place = place;
    wanted.emplace(place.node, std::move(peer));
  }
  peers_ = std::move(wanted);
  if (probe_ && !peers_.contains(probe_->node)) {
    probe_.reset();
  }
  probe_what_is_due();
  if (changed_ && narrowest() != before) {
    changed_();
  }
}

void MtuProbe::probe_what_is_due() {
  if (!probe_) {
    timer_.cancel();
  }
  while (!probe_ && !peers_.empty() && link_mtu_ > kSmallestMtu) {
    auto& [node, peer] =
        *std::min_element(peers_.begin(), peers_.end(),
                          [](const auto& a, const auto& b) { return a.second.due < b.second.due; });
    if (const auto now = timers_.now(); peer.due > now) {
      timer_ = timers_.after(peer.due - now, [this] { probe_what_is_due(); });
      return;
    }
    if (const Status begun = begin(peer); !begun) {
      if (!std::exchange(said_why_not_, true)) {
        log_.warning("the MTU cannot be probed: that of the node's interface is believed",
                     {{"node", node}, {"error", begun.error().message()}});
      }
      peer.due = timers_.now() + again_.delay_of(0);
    }
  }
}

Status MtuProbe::begin(const Peer& peer) {
  // Paths of one cluster have much in common: what another carries is a good guess.
  const auto other = narrowest();
  const int guess = peer.path_mtu.value_or(other ? other->mtu : 0);
  const IpAddress to = VK8S_TRY(tunnel_address(peer.place.pod_cidr));
  auto socket = VK8S_TRY(open_(to, [this](std::uint16_t sequence, std::size_t packet_bytes) {
    on_answer(sequence, packet_bytes);
  }));
  probe_.emplace(Probe{.node = peer.place.node,
                       .search = MtuSearch(kSmallestMtu, link_mtu_, guess),
                       .socket = std::move(socket)});
  send();
  return {};
}

void MtuProbe::send() {
  ++probe_->tries;
  probe_->socket->send(++probe_->sequence, static_cast<std::size_t>(*probe_->search.next()));
  timer_ = timers_.after(kAnswerTime, [this] { on_silence(); });
}

void MtuProbe::on_answer(std::uint16_t sequence, std::size_t packet_bytes) {
  // A late one counts as long as its size is asked for.
  if (probe_ && sequence <= probe_->sequence && sequence + probe_->tries > probe_->sequence &&
      packet_bytes == static_cast<std::size_t>(*probe_->search.next())) {
    tried(true);
  }
}

void MtuProbe::on_silence() {
  if (probe_->tries < kTries) {
    send();
  } else {
    tried(false);
  }
}

void MtuProbe::tried(bool answered) {
  probe_->search.tried(answered);
  probe_->tries = 0;
  if (probe_->search.next()) {
    send();
  } else {
    end(probe_->search.found());
  }
}

void MtuProbe::end(std::optional<int> found) {
  Peer& peer = peers_.at(probe_->node);
  probe_.reset();
  bool is_news = false;
  if (found) {
    is_news = judge(peer, *found);
  } else {
    peer.due = timers_.now() + retry_.delay_of(peer.unanswered++);
  }
  probe_what_is_due();
  if (is_news && changed_) {
    changed_();
  }
}

// Whether it is another judgement than before.
bool MtuProbe::judge(Peer& peer, int found) {
  const auto now = timers_.now();
  const auto before = peer.path_mtu;
  peer.path_mtu = found < link_mtu_ ? std::optional(found) : std::nullopt;
  peer.unanswered = 0;
  peer.due = now + again_.delay_of(0) * static_cast<std::int64_t>(peers_.size());
  if (peer.path_mtu == before) {
    return false;
  }
  if (found < before.value_or(link_mtu_)) {
    log_.warning("large packets to a node are lost: what goes there is held to less",
                 {{"node", peer.place.node}, {"claimed", link_mtu_}, {"carried", found}});
    peer.due = now + kSecondLook;
    return true;
  }
  log_.info("larger packets reach a node again", {{"node", peer.place.node}, {"carried", found}});
  for (auto& [node, other] : peers_) {
    if (other.path_mtu) {
      other.due = now;  // what was mended for one may be for all
    }
  }
  return true;
}

std::optional<int> MtuProbe::path_mtu(const std::string& node) const {
  const auto peer = peers_.find(node);
  return peer == peers_.end() ? std::nullopt : peer->second.path_mtu;
}

std::optional<MtuProbe::Narrow> MtuProbe::narrowest() const {
  std::optional<Narrow> least;
  for (const auto& [node, peer] : peers_) {
    if (peer.path_mtu && (!least || *peer.path_mtu < least->mtu)) {
      least = Narrow{.node = node, .mtu = *peer.path_mtu};
    }
  }
  return least;
}

std::string describe_narrow_path(int link_mtu, const std::optional<MtuProbe::Narrow>& narrowest) {
  return narrowest ? fmt::format(
                         "network: packets of {} bytes to node \"{}\" are lost, the MTU of "
                         "new pods is {} now: see docs/networking.md",
                         link_mtu, narrowest->node, narrowest->mtu)
                   : std::string();
}

}  // namespace vk8s::agent
