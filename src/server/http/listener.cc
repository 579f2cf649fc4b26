#include "server/http/listener.h"

#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <new>
#include <utility>

namespace quire {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

// Files the process needs beside its connections: model, log, data, epoll, standard streams.
constexpr uint32_t kOtherFiles = 64;
// What a cut answer gets to say why, before its connection is closed.
constexpr auto kLastWords = std::chrono::seconds(1);

// Raises the limit of open files as far as allowed; returns how many connections fit below it.
uint32_t RoomForConnections(uint32_t wished) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return wished;
  const rlim_t needed = rlim_t{wished} + kOtherFiles;
  if (limit.rlim_cur < needed) {
    limit.rlim_cur = std::min(limit.rlim_max, needed);
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
  }
  if (limit.rlim_cur >= needed) return wished;
  return static_cast<uint32_t>(limit.rlim_cur > 2 * kOtherFiles ? limit.rlim_cur - kOtherFiles
                                                                : kOtherFiles);
}

std::string Text(const std::string& host, uint16_t port) {
  return host + ":" + std::to_string(port);
}

}  // namespace

Listener::Listener(asio::io_context& io, HttpService service, const ListenOptions& options)
    : io_(io),
      service_(std::move(service)),
      options_(options),
      budget_(options.max_buffered_body_bytes),
      acceptor_(io),
      pause_(io),
      drain_timer_(io) {
  options_.max_connections = RoomForConnections(options_.max_connections);
}

Status Listener::Open() {
  error_code error;
  tcp::resolver resolver(io_);
  const auto found =
      resolver.resolve(options_.host, std::to_string(options_.port), tcp::resolver::passive, error);
  if (error || found.empty()) {
    return Refuse(ErrorCode::kInvalidArgument,
                  "--host " + options_.host + " is no address of this machine: " + error.message(),
                  "host");
  }
  const tcp::endpoint endpoint = found.begin()->endpoint();
  if (!endpoint.address().is_loopback() && !options_.insecure) {
    return Refuse(ErrorCode::kInvalidArgument,
                  "--host " + options_.host +
                      " lets other machines in, and no keys are configured; use 127.0.0.1, or "
                      "--tenants FILE to ask for keys, or --insecure if everyone who reaches this "
                      "address may use the model",
                  "host");
  }
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(static_cast<int>(options_.max_connections), error);
  if (error == asio::error::address_in_use) {
    return Refuse(ErrorCode::kAddressInUse,
                  Text(options_.host, options_.port) +
                      " is in use; choose another --port or stop what listens there",
                  "port");
  }
  if (error) {
    return Refuse(ErrorCode::kInvalidArgument,
                  "cannot listen on " + Text(options_.host, options_.port) + ": " + error.message(),
                  "host");
  }
  return {};
}

uint16_t Listener::port() const {
  error_code ignored;
  return acceptor_.local_endpoint(ignored).port();
}

void Listener::Start() { asio::co_spawn(io_, AcceptLoop(), asio::detached); }

asio::awaitable<void> Listener::AcceptLoop() {
  while (acceptor_.is_open()) {
    try {
      if (co_await AcceptOne()) continue;
      // Out of files or memory: what runs goes on, and the newcomers wait in the backlog.
      pause_.expires_after(Milliseconds(100));
      co_await pause_.async_wait(asio::as_tuple(asio::use_awaitable));
    } catch (const std::bad_alloc&) {  // of a newcomer, who is dropped
    }
  }
}

// False if there is none to be had just now.
asio::awaitable<bool> Listener::AcceptOne() {
  auto [error, socket] = co_await acceptor_.async_accept(asio::as_tuple(asio::use_awaitable));
  if (error) co_return !acceptor_.is_open();
  if (connections_.size() < options_.max_connections) {
    Welcome(std::move(socket));
  } else {
    asio::co_spawn(io_, TurnAway(std::move(socket)), asio::detached);
  }
  co_return true;
}

asio::awaitable<void> Listener::TurnAway(tcp::socket socket) {
  HttpResponse response = ErrorResponse(503, "too_many_connections", "too many connections");
  response.headers.emplace_back("Retry-After", "1");
  HeadOptions options;
  options.keep_alive = false;
  const std::string bytes = FormatHead(response, options) + response.body;
  error_code ignored;
  socket.non_blocking(true, ignored);
  socket.write_some(asio::buffer(bytes), ignored);  // fits an empty send buffer
  socket.shutdown(tcp::socket::shutdown_send, ignored);
  co_return;
}

void Listener::Welcome(tcp::socket socket) {
  auto connection = std::make_shared<Connection>(std::move(socket), service_, budget_);
  connections_.insert(connection);
  if (draining_) connection->ExpectLast();
  try {
    asio::co_spawn(io_, connection->Serve(),
                   [this, connection](std::exception_ptr) { Forget(connection); });
  } catch (const std::bad_alloc&) {
    Forget(connection);
    throw;
  }
}

void Listener::Forget(const std::shared_ptr<Connection>& connection) {
  connection->Close();
  connections_.erase(connection);
  if (draining_) FinishDrainIfIdle();
}

void Listener::Drain(Milliseconds patience, std::function<void()> drained) {
  if (draining_) return CutNow();
  draining_ = true;
  drained_ = std::move(drained);
  for (const auto& connection : connections_) connection->Drain();
  drain_timer_.expires_after(patience);
  drain_timer_.async_wait([this](error_code error) {
    if (!error) CutNow();
  });
  FinishDrainIfIdle();
}

void Listener::CutNow() {
  for (const auto& connection : connections_) connection->Cut();
  drain_timer_.expires_after(kLastWords);
  drain_timer_.async_wait([this](error_code error) {
    if (!error) CloseAll();
  });
}

void Listener::FinishDrainIfIdle() {
  const bool busy = std::any_of(connections_.begin(), connections_.end(),
                                [](const auto& connection) { return connection->handling(); });
  if (!busy) CloseAll();
}

// Connections end as their pending operations fail; the last one reports.
void Listener::CloseAll() {
  error_code ignored;
  if (!closing_) {
    closing_ = true;
    acceptor_.close(ignored);
    drain_timer_.cancel();
    for (const auto& connection : connections_) connection->Close();
  }
  if (connections_.empty() && drained_) std::exchange(drained_, nullptr)();
}

}  // namespace quire
