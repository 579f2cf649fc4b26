// server/http/exchange.h -- one request and the way to answer it, as a handler sees them.
//
//   Respond                                   a whole answer, or
//   BeginStream  Write*  EndStream            one in pieces, each sent at once, or
//   BeginStream  Write*  EndStalled           after a Write that returned kTimeout
//
// A handler that waits for long calls Watch: it is then told when the client goes away or the
// server cuts it off. After gone() or a failed write nothing can be sent; the handler just returns.
//
// A client that closes its sending side counts as gone: nothing tells it from one that left.
//
// Threads  the I/O thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <string>
#include <string_view>

#include "server/http/cors_policy.h"
#include "server/http/http_limits.h"
#include "server/http/http_message.h"
#include "server/http/request_reader.h"
#include "server/http/stream_socket.h"
#include "server/http/wake_up.h"

namespace quire {

class Exchange {
 public:
  struct Context {
    StreamSocket& socket;
    RequestReader& reader;
    const HttpLimits& limits;
    const CorsPolicy& cors;
    boost::asio::any_io_executor executor;
  };
  Exchange(Context context, HttpRequest request)
      : context_(context), request_(std::move(request)), watch_done_(context.executor) {}

  const HttpRequest& request() const { return request_; }
  HttpRequest& request() { return request_; }
  boost::asio::any_io_executor executor() const { return context_.executor; }

  boost::asio::awaitable<void> Respond(HttpResponse response);

  boost::asio::awaitable<IoEnd> BeginStream(HttpResponse head);
  boost::asio::awaitable<IoEnd> Write(std::string_view piece);
  boost::asio::awaitable<void> EndStream();
  // The client did not read for write_stall: offers it what is still owed and these last words for
  // the same time again, then gives up.
  boost::asio::awaitable<void> EndStalled(std::string_view last_words);

  // Calls `changed` when gone() or cut() becomes true. Called again, it replaces `changed`.
  void Watch(std::function<void()> changed);
  boost::asio::awaitable<void> StopWatching();
  bool gone() const { return gone_; }
  bool cut() const { return cut_; }
  void Cut();  // by the server: end soon

  // Errors are OpenAI's unless another API wants to word them.
  using ErrorForm = void (*)(HttpResponse& response, std::string_view request_id);
  void set_error_form(ErrorForm form) { error_form_ = form; }
  void set_traceparent(std::string header) { traceparent_ = std::move(header); }

  bool answered() const { return answered_; }
  bool keep_alive() const { return keep_alive_ && request_.keep_alive && !gone_; }
  void set_keep_alive(bool keep_alive) { keep_alive_ = keep_alive; }

 private:
  boost::asio::awaitable<IoEnd> Send(std::string_view bytes);
  std::string Framed(std::string_view piece) const;
  HeadOptions head_options() const;

  Context context_;
  HttpRequest request_;
  std::function<void()> changed_;
  WakeUp watch_done_;
  std::string owed_;  // what a stalled write left over
  ErrorForm error_form_ = nullptr;
  std::string traceparent_;  // goes with the answer; empty: none
  bool watching_ = false;
  bool answered_ = false;
  bool keep_alive_ = true;
  bool gone_ = false;
  bool cut_ = false;
};

}  // namespace quire
