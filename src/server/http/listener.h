// server/http/listener.h -- accepts clients, keeps their connections, and lets them end well.
//
//   Open -> Start -> Drain -> [answers done | time over: cut, then closed] -> `drained` runs
//
// Threads  the I/O thread; Open before it runs.
// Bounds   max_connections; one more is told 503 and closed.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "base/result.h"
#include "server/http/connection.h"

namespace quire {

struct ListenOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 0;
  bool insecure = false;  // an address that other machines reach is allowed
  uint32_t max_connections = 4096;
  size_t max_buffered_body_bytes = size_t{256} << 20;
};

class Listener {
 public:
  Listener(boost::asio::io_context& io, HttpService service, const ListenOptions& options);

  Status Open();
  uint16_t port() const;

  void Start();

  // New connections still get one answer each (503 from the handler); `drained` runs once nothing
  // is being answered any more and every connection is closed.
  void Drain(Milliseconds patience, std::function<void()> drained);
  void CutNow();

  size_t num_connections() const { return connections_.size(); }

 private:
  boost::asio::awaitable<void> AcceptLoop();
  boost::asio::awaitable<bool> AcceptOne();
  boost::asio::awaitable<void> TurnAway(boost::asio::ip::tcp::socket socket);
  void Welcome(boost::asio::ip::tcp::socket socket);
  void Forget(const std::shared_ptr<Connection>& connection);
  void FinishDrainIfIdle();
  void CloseAll();

  boost::asio::io_context& io_;
  HttpService service_;
  ListenOptions options_;
  BodyBudget budget_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer pause_;  // after the system refused to accept
  boost::asio::steady_timer drain_timer_;
  std::set<std::shared_ptr<Connection>> connections_;
  std::function<void()> drained_;  // set while draining
  bool draining_ = false;
  bool closing_ = false;
};

}  // namespace quire
