#include "agent/mtu_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fake_timers.h"

namespace vk8s::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::Gt;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr int kLinkMtu = 1450;

int tries_to_find(int carried, int guess) {
  MtuSearch search(kSmallestMtu, kLinkMtu, guess);
  int tries = 0;
  while (const auto size = search.next()) {
    search.tried(*size <= carried);
    ++tries;
  }
  EXPECT_EQ(search.found(), carried) << "guess " << guess;
  return tries;
}

TEST(MtuSearch, FindsWhatIsCarriedWhateverTheGuess) {
  for (int carried = kSmallestMtu; carried <= kLinkMtu; ++carried) {
    for (const int guess : {0, kSmallestMtu, 1000, kLinkMtu - 1, kLinkMtu, 9000, carried}) {
      EXPECT_LE(tries_to_find(carried, guess), 15);
    }
  }
}

TEST(MtuSearch, TakesFewTriesWhereTheGuessIsRight) {
  EXPECT_EQ(tries_to_find(kLinkMtu, 0), 2);
  EXPECT_EQ(tries_to_find(1372, 1372), 5) << "576, 1450, 1372, 1373, 1372 again";
}

TEST(MtuSearch, DoesNotJudgeWhoAnswersNothing) {
  MtuSearch search(kSmallestMtu, kLinkMtu, 0);
  search.tried(false);
  EXPECT_FALSE(search.next());
  EXPECT_FALSE(search.found());
}

TEST(MtuSearch, DoesNotJudgeWhoWentWhileItSearched) {
  for (int answers = 1; answers < 6; ++answers) {
    MtuSearch search(kSmallestMtu, kLinkMtu, 0);
    for (int tries = 0; const auto size = search.next(); ++tries) {
      search.tried(tries < answers && *size <= 1372);
    }
    EXPECT_FALSE(search.found()) << answers;
  }
}

// A network that carries so many bytes to each tunnel end; 0 = nobody is there.
class FakeNetwork {
 public:
  explicit FakeNetwork(Timers& timers) : timers_(timers) {}

  EchoOpener opener() {
    return [this](const IpAddress& to,
                  EchoSocket::OnAnswer on_answer) -> Result<std::unique_ptr<EchoSocket>> {
      ++opened;
      if (refuses) {
        return fail(Errc::kForbidden, "open a raw ICMP socket: Operation not permitted");
      }
      return std::make_unique<Socket>(*this, to.to_string(), std::move(on_answer));
    };
  }

  std::map<std::string, int> carries;
  std::map<std::string, std::vector<std::size_t>> sent;
  milliseconds delay{1};
  int lose = 0;  // so many of the next
  bool refuses = false;
  int opened = 0;

 private:
  class Socket final : public EchoSocket {
   public:
    Socket(FakeNetwork& network, std::string to, OnAnswer on_answer)
        : network_(network), to_(std::move(to)), on_answer_(std::move(on_answer)) {}
    void send(std::uint16_t sequence, std::size_t bytes) override {
      network_.sent[to_].push_back(bytes);
      if (network_.lose > 0) {
        --network_.lose;
      } else if (bytes <= static_cast<std::size_t>(network_.carries[to_])) {
        answers_.push_back(network_.timers_.after(network_.delay, [this, sequence, bytes] {
          const OnAnswer on_answer = on_answer_;
          on_answer(sequence, bytes);
        }));
      }
    }

   private:
    FakeNetwork& network_;
    std::string to_;
    OnAnswer on_answer_;
    std::vector<Registration> answers_;
  };

  Timers& timers_;
};

class MtuProbeTest : public testing::Test {
 protected:
  MtuProbeTest() : probe_(timers_, network_.opener(), kLinkMtu, Log::silent()) {
    probe_.on_change([this] { ++changes_; });
  }

  static OverlayPeer peer(int number) {
    return {fmt::format("worker-{}", number), fmt::format("198.19.0.{}", number),
            fmt::format("100.72.{}.0/24", number)};
  }
  static std::string end(int number) { return fmt::format("100.72.{}.0", number); }
  std::vector<std::size_t>& sent(int number) { return network_.sent[end(number)]; }
  // Until no search is under way: that sends twice a second.
  void wait_for_rest() {
    std::size_t before = 0;
    do {
      before = sent(1).size() + sent(2).size();
      timers_.advance(seconds(2));
    } while (sent(1).size() + sent(2).size() != before);
  }

  base::FakeTimers timers_;
  FakeNetwork network_{timers_};
  MtuProbe probe_;
  int changes_ = 0;
};

TEST_F(MtuProbeTest, BelievesTheLinkWhereAFullPacketIsAnswered) {
  network_.carries[end(1)] = kLinkMtu;
  probe_.set_peers({peer(1)});
  timers_.advance(seconds(30));
  EXPECT_THAT(sent(1), ElementsAre(kSmallestMtu, kLinkMtu));
  EXPECT_FALSE(probe_.narrowest());
  EXPECT_EQ(changes_, 0);
}

TEST_F(MtuProbeTest, FindsWhatANarrowPathCarries) {
  network_.carries[end(1)] = 1372;
  network_.carries[end(2)] = kLinkMtu;
  probe_.set_peers({peer(1), peer(2)});
  timers_.advance(seconds(30));
  EXPECT_EQ(probe_.path_mtu("worker-1"), 1372);
  EXPECT_EQ(probe_.path_mtu("worker-2"), std::nullopt);
  EXPECT_EQ(probe_.narrowest(), (MtuProbe::Narrow{"worker-1", 1372}));
  EXPECT_EQ(changes_, 1);
}

TEST_F(MtuProbeTest, GuessesThatPathsAreAlike) {
  network_.carries[end(1)] = network_.carries[end(2)] = 1372;
  probe_.set_peers({peer(1), peer(2)});
  timers_.advance(seconds(30));
  EXPECT_EQ(probe_.path_mtu("worker-2"), 1372);
  EXPECT_THAT(sent(2), ElementsAre(576, 1450, 1450, 1450, 1372, 1373, 1373, 1373, 1372));
}

TEST_F(MtuProbeTest, DoesNotJudgeWhoAnswersNothingAndComesBackToIt) {
  probe_.set_peers({peer(1)});
  timers_.advance(seconds(30));
  EXPECT_THAT(sent(1), Not(Contains(Gt(576U))));
  EXPECT_FALSE(probe_.narrowest());
  network_.carries[end(1)] = 1400;
  timers_.advance(seconds(60));
  EXPECT_EQ(probe_.path_mtu("worker-1"), 1400);
}

TEST_F(MtuProbeTest, TwoLostPacketsAreNoNarrowPath) {
  network_.carries[end(1)] = kLinkMtu;
  network_.lose = 2;
  probe_.set_peers({peer(1)});
  timers_.advance(milliseconds(1000));  // the third of 576 is under way
  network_.lose = 2;
  timers_.advance(seconds(30));
  EXPECT_THAT(sent(1), ElementsAre(576, 576, 576, 1450, 1450, 1450));
  EXPECT_FALSE(probe_.narrowest());
}

TEST_F(MtuProbeTest, TakesAnswersThatAreLate) {
  network_.carries[end(1)] = 1372;
  network_.delay = milliseconds(1200);
  probe_.set_peers({peer(1)});
  timers_.advance(seconds(60));
  EXPECT_EQ(probe_.path_mtu("worker-1"), 1372);
}

TEST_F(MtuProbeTest, LooksAgainRarelyAndFindsThatThePathIsMended) {
  network_.carries[end(1)] = network_.carries[end(2)] = 1372;
  probe_.set_peers({peer(1), peer(2)});
  timers_.advance(minutes(5));
  sent(1).clear();
  sent(2).clear();
  timers_.advance(minutes(60));
  EXPECT_THAT(sent(1), SizeIs(testing::AllOf(testing::Ge(2U * 9), testing::Le(3U * 9))))
      << "every 20 minutes and up to a fifth";
  EXPECT_EQ(changes_, 2);
  wait_for_rest();  // a path that is mended within a search is first found to carry a byte less
  network_.carries[end(1)] = network_.carries[end(2)] = kLinkMtu;
  timers_.advance(minutes(25));
  EXPECT_FALSE(probe_.narrowest());
  EXPECT_EQ(changes_, 4);
}

TEST_F(MtuProbeTest, LooksAtANewlyNarrowPathASecondTime) {
  network_.carries[end(1)] = 1000;
  probe_.set_peers({peer(1)});
  timers_.advance(seconds(30));
  network_.carries[end(1)] = kLinkMtu;
  timers_.advance(minutes(2));
  EXPECT_FALSE(probe_.narrowest());
}

TEST_F(MtuProbeTest, ProbesAnewWhereAPeerHasAnotherAddress) {
  network_.carries[end(1)] = kLinkMtu;
  probe_.set_peers({peer(1)});
  timers_.advance(seconds(5));
  probe_.set_peers({peer(1)});
  timers_.advance(seconds(5));
  EXPECT_THAT(sent(1), SizeIs(2)) << "nothing has changed";
  network_.carries[end(1)] = 1300;
  OverlayPeer moved = peer(1);
  moved.node_ip = "198.19.0.77";
  probe_.set_peers({moved});
  timers_.advance(seconds(30));
  EXPECT_EQ(probe_.path_mtu("worker-1"), 1300);
}

TEST_F(MtuProbeTest, ForgetsAPeerThatHasLeft) {
  network_.carries[end(1)] = 1372;
  probe_.set_peers({peer(1)});
  timers_.advance(seconds(30));
  probe_.set_peers({});
  EXPECT_FALSE(probe_.narrowest());
  EXPECT_EQ(changes_, 2);
  sent(1).clear();
  timers_.advance(minutes(60));
  EXPECT_THAT(sent(1), IsEmpty());
}

TEST_F(MtuProbeTest, EndsAProbeWhosePeerLeaves) {
  probe_.set_peers({peer(1)});
  timers_.advance(milliseconds(700));
  probe_.set_peers({});
  timers_.advance(minutes(60));
  EXPECT_THAT(sent(1), SizeIs(2));
}

TEST_F(MtuProbeTest, GoesWithoutWhereNoSocketIsToBeHad) {
  network_.refuses = true;
  probe_.set_peers({peer(1), peer(2)});
  timers_.advance(minutes(5));
  EXPECT_EQ(network_.opened, 2);
  EXPECT_FALSE(probe_.narrowest());
}

TEST(DescribeNarrowPath, NamesTheNodeAndWhatIsDone) {
  EXPECT_EQ(describe_narrow_path(kLinkMtu, std::nullopt), "");
  EXPECT_EQ(describe_narrow_path(kLinkMtu, MtuProbe::Narrow{"worker-1", 1372}),
            "network: packets of 1450 bytes to node \"worker-1\" are lost, the MTU of new pods is "
            "1372 now: see docs/networking.md");
}

}  // namespace
}  // namespace vk8s::agent
