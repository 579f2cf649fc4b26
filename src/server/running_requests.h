// server/running_requests.h -- answers under way, so that others than their clients can end them.
//
// Kept by request_number.h, which is what /v1/live shows. What a session reads ahead of need has no
// client, and is not here.
//
// Threads  the I/O thread.
// Bounds   one entry for each request that the engine has accepted, which bounds those.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "engine/request.h"
#include "server/http/http_message.h"
#include "server/request_number.h"
#include "server/tenants/tenant_directory.h"

namespace quire {

class RunningRequests {
 public:
  struct Entry {
    std::string tenant;
    std::string request_id;        // the client's, as in X-Request-Id
    std::function<void()> revoke;  // may be called more than once; removes no entry
  };
  void Add(RequestId id, Entry entry) { entries_[RequestNumber(id)] = std::move(entry); }
  void Remove(RequestId id) { entries_.erase(RequestNumber(id)); }

  // Ends it. Nullptr, and nothing happens, if there is none of that number that the caller may see:
  // another tenant's looks like one that is over.
  const Entry* Revoke(uint32_t number, const Caller& caller) const;

 private:
  std::map<uint32_t, Entry> entries_;
};

// POST /v1/requests/{id}/cancel; a path that is no such thing is a 404.
HttpResponse CancelRequest(const RunningRequests& running, std::string_view path,
                           const Caller& caller);

}  // namespace quire
