#include "server/sessions/tenant_lanes.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "base/check.h"

namespace quire {

namespace asio = boost::asio;

// Whoever leaves hands its place to the first that waits: nobody who comes just then takes it.
asio::awaitable<TenantLanes::Place> TenantLanes::Enter(asio::any_io_executor executor,
                                                       std::string tenant) {
  Lane& lane = lanes_[tenant];
  if (lane.inside < most_of_each_) {
    ++lane.inside;
    co_return Place(*this, std::move(tenant));
  }
  const auto turn =
      std::make_shared<asio::steady_timer>(executor, asio::steady_timer::time_point::max());
  lane.waiting.push_back(turn);
  try {
    boost::system::error_code woken;
    co_await turn->async_wait(asio::redirect_error(asio::use_awaitable, woken));
  } catch (...) {  // no memory to wait with: nobody is to hand it a place
    std::erase(lanes_[tenant].waiting, turn);
    throw;
  }
  co_return Place(*this, std::move(tenant));
}

void TenantLanes::Leave(const std::string& tenant) {
  const auto found = lanes_.find(tenant);
  QUIRE_CHECK(found != lanes_.end() && found->second.inside > 0);
  Lane& lane = found->second;
  if (!lane.waiting.empty()) {
    lane.waiting.front()->cancel();
    lane.waiting.pop_front();
    return;
  }
  if (--lane.inside == 0) lanes_.erase(found);
}

size_t TenantLanes::num_inside(const std::string& tenant) const {
  const auto found = lanes_.find(tenant);
  return found == lanes_.end() ? 0 : found->second.inside;
}

size_t TenantLanes::num_waiting(const std::string& tenant) const {
  const auto found = lanes_.find(tenant);
  return found == lanes_.end() ? 0 : found->second.waiting.size();
}

}  // namespace quire
