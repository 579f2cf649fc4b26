// server/http/connection.h -- serves the requests of one client, one after the other.
//
//   idle -> reading -> handling -> idle ... -> closed
//
// Threads  the I/O thread. The coroutine Serve owns the connection.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <expected>
#include <functional>
#include <memory>
#include <string>

#include "server/http/cors_policy.h"
#include "server/http/exchange.h"
#include "server/http/request_reader.h"

namespace quire {

using HttpHandler = std::function<boost::asio::awaitable<void>(Exchange&)>;

// What all connections of a listener share.
struct HttpService {
  HttpLimits limits;
  CorsPolicy cors;
  HttpHandler handler;
  std::function<void(std::string_view)> log;  // may be empty
};

class Connection {
 public:
  Connection(boost::asio::ip::tcp::socket socket, const HttpService& service, BodyBudget& budget);

  boost::asio::awaitable<void> Serve();

  // No further request: closes at once unless an answer is under way, which may finish.
  void Drain();
  void ExpectLast() { draining_ = true; }  // the first request is also the last
  void Cut();                              // the running answer ends soon
  void Close();                            // everything ends now
  bool handling() const { return exchange_ != nullptr; }

 private:
  boost::asio::awaitable<std::expected<IncomingRequest, NoRequest>> ReadNext();
  boost::asio::awaitable<void> Refuse(NoRequest reason);
  boost::asio::awaitable<bool> Handle(HttpRequest request);

  boost::asio::any_io_executor executor_;
  const HttpService& service_;
  StreamSocket socket_;
  RequestReader reader_;
  Exchange* exchange_ = nullptr;  // while handling
  bool draining_ = false;
};

}  // namespace quire
