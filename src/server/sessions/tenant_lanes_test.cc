#include "server/sessions/tenant_lanes.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <deque>
#include <optional>
#include <vector>

namespace quire {
namespace {

namespace asio = boost::asio;

// Requests that go in when they may, say so, and stay until they are told to leave.
class Requests {
 public:
  void Come(const std::string& tenant) {
    const size_t me = places_.size();
    places_.emplace_back();
    const auto enter = [this, me, tenant]() -> asio::awaitable<void> {
      places_[me].emplace(co_await lanes.Enter(context_.get_executor(), tenant));
      inside.push_back(me);
    };
    asio::co_spawn(context_, enter, asio::detached);
    Settle();
  }
  void Go(size_t who) {
    places_[who].reset();
    Settle();
  }

  TenantLanes lanes{2};
  std::vector<size_t> inside;  // in the order in which they went in

 private:
  void Settle() {
    context_.restart();
    context_.poll();
  }

  asio::io_context context_;
  std::deque<std::optional<TenantLanes::Place>> places_;
};

TEST(TenantLanes, ATenantWaitsForItselfAlone) {
  Requests requests;
  for (int i = 0; i < 4; ++i) requests.Come("acme");
  EXPECT_EQ(requests.inside, (std::vector<size_t>{0, 1}));
  EXPECT_EQ(requests.lanes.num_waiting("acme"), 2u);
  requests.Come("beta");
  EXPECT_EQ(requests.inside.back(), 4u);
  requests.Go(1);
  EXPECT_EQ(requests.inside, (std::vector<size_t>{0, 1, 4, 2})) << "the first that came";
  EXPECT_EQ(requests.lanes.num_inside("acme"), 2u);
  for (const size_t who : {size_t{0}, size_t{2}, size_t{3}, size_t{4}}) requests.Go(who);
  EXPECT_EQ(requests.inside.size(), 5u);
  EXPECT_EQ(requests.lanes.num_inside("acme"), 0u);
  EXPECT_EQ(requests.lanes.num_waiting("acme"), 0u);
  requests.Come("acme");
  EXPECT_EQ(requests.inside.back(), 5u);
  requests.Go(5);
}

}  // namespace
}  // namespace quire
