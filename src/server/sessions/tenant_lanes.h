// server/sessions/tenant_lanes.h -- how many of a tenant's requests may use a pool of threads at
// once, so that no tenant fills it: the others of that tenant wait, in their order.
//
// Threads  the I/O thread.
// Bounds   none of its own: who waits is a request that was let in.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace quire {

class TenantLanes {
 public:
  explicit TenantLanes(size_t most_of_each) : most_of_each_(most_of_each) {}

  // Inside, until it dies. It does not outlive the lanes.
  class Place {
   public:
    Place(TenantLanes& lanes, std::string tenant) : lanes_(&lanes), tenant_(std::move(tenant)) {}
    Place(Place&& other) noexcept
        : lanes_(std::exchange(other.lanes_, nullptr)), tenant_(std::move(other.tenant_)) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (lanes_ != nullptr) lanes_->Leave(tenant_);
    }

   private:
    TenantLanes* lanes_;  // null: moved from
    std::string tenant_;
  };

  boost::asio::awaitable<Place> Enter(boost::asio::any_io_executor executor, std::string tenant);

  size_t num_inside(const std::string& tenant) const;
  size_t num_waiting(const std::string& tenant) const;

 private:
  struct Lane {
    size_t inside = 0;
    std::deque<std::shared_ptr<boost::asio::steady_timer>> waiting;
  };
  void Leave(const std::string& tenant);

  const size_t most_of_each_;
  std::map<std::string, Lane> lanes_;  // of those of whom somebody is here
};

}  // namespace quire
