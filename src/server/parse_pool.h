// server/parse_pool.h -- runs a function beside the I/O thread and waits for it without blocking.
#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <optional>
#include <utility>

#include "base/spare_memory.h"

namespace quire {

// Calls `function` on a thread of `pool`; what it returns or throws reaches the caller. The
// caller's coroutine stays suspended until then, so `function` may refer to its variables.
template <typename Function>
auto RunIn(boost::asio::thread_pool& pool, Function function)
    -> boost::asio::awaitable<decltype(function())> {
  namespace asio = boost::asio;
  std::optional<decltype(function())> result;
  std::exception_ptr thrown;
  auto start = [&](auto handler) {
    auto work = [&result, &thrown, &function, handler = std::move(handler)]() mutable {
      try {
        const SparePermit permit(SpareUse::kRequest);
        result.emplace(function());
      } catch (...) {
        thrown = std::current_exception();
      }
      const SparePermit permit(SpareUse::kAll);  // the caller must hear of it
      auto executor = asio::get_associated_executor(handler);
      asio::post(executor, std::move(handler));
    };
    asio::post(pool, std::move(work));
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(start, asio::use_awaitable);
  if (thrown) std::rethrow_exception(thrown);
  co_return *std::move(result);
}

}  // namespace quire
