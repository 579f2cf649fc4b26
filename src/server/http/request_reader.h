// server/http/request_reader.h -- takes one request after the other off a connection.
//
// Every phase is bounded in bytes and in time: the header, the body, the pause between requests.
// What cannot become a request is answered with an error response and the end of the connection.
//
// Threads  the I/O thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <expected>
#include <memory>
#include <optional>
#include <string>

#include "server/http/http_limits.h"
#include "server/http/http_message.h"
#include "server/http/stream_socket.h"

namespace quire {

// Why there is no further request. Without a response the connection just ends.
struct NoRequest {
  std::optional<HttpResponse> response;
  std::string request_id;
};

struct IncomingRequest {
  HttpRequest request;
  std::unique_ptr<BodyBudget::Share> share;  // held as long as the body is
};

class RequestReader {
 public:
  RequestReader(StreamSocket& socket, const HttpLimits& limits, BodyBudget& budget)
      : socket_(socket), limits_(limits), budget_(budget) {}

  boost::asio::awaitable<std::expected<IncomingRequest, NoRequest>> Next();

  // While a request is being handled: reads what the client sends ahead, until it goes away (true)
  // or StopReadingAhead (false). Whoever sends more than max_pipelined_bytes ahead is treated as
  // gone: unread bytes would hide its end.
  boost::asio::awaitable<bool> ReadAhead();
  void StopReadingAhead();

  // Reads and drops what still comes, so that closing does not destroy a response under way.
  boost::asio::awaitable<void> Discard();

  // True while no byte of a next request has come.
  bool idle() const { return idle_; }

 private:
  struct Parse;
  using Clock = std::chrono::steady_clock;

  boost::asio::awaitable<IoResult> Fill(Milliseconds timeout);
  boost::asio::awaitable<bool> WaitForFirstByte();
  boost::asio::awaitable<std::optional<NoRequest>> ReadHeader(Parse& parse);
  boost::asio::awaitable<std::optional<NoRequest>> ReadBody(Parse& parse);
  std::optional<NoRequest> CheckHeader(Parse& parse) const;

  StreamSocket& socket_;
  const HttpLimits& limits_;
  BodyBudget& budget_;
  std::string buffer_;  // received, not yet parsed
  bool first_ = true;   // no request was read yet
  bool idle_ = true;
  bool stop_ahead_ = false;
};

}  // namespace quire
