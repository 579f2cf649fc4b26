// server/http/stream_socket.h -- a TCP connection whose every wait ends.
//
// Reads and writes may wait at the same time, one of each. A wait ends when the socket is ready,
// when its time is over, or when the socket is closed.
//
// Threads  those of the executor, one at a time.
#pragma once

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace quire {

using Milliseconds = std::chrono::milliseconds;
inline constexpr Milliseconds kForever = std::chrono::hours(24 * 365);

enum class IoEnd : uint8_t {
  kDone,
  kTimeout,  // nothing moved for the time given
  kClosed,   // by the peer, by us, or broken
};

struct IoResult {
  IoEnd end = IoEnd::kDone;
  size_t bytes = 0;  // moved before it ended
};

class StreamSocket {
 public:
  explicit StreamSocket(boost::asio::ip::tcp::socket socket);
  ~StreamSocket();

  // At least one byte into `buffer`.
  boost::asio::awaitable<IoResult> ReadSome(std::span<char> buffer, Milliseconds timeout);

  // All of `bytes`, as long as the peer takes some of them every `stall`.
  boost::asio::awaitable<IoResult> WriteAll(std::string_view bytes, Milliseconds stall);

  // Ends a running ReadSome with kTimeout; a running WriteAll does not notice.
  void InterruptRead();

  // Nothing more will be written; reading goes on.
  void ShutdownWrite();
  // Ends everything that waits.
  void Close();
  bool is_open() const { return socket_.is_open(); }

 private:
  enum Direction : uint8_t { kRead = 0, kWrite = 1 };
  // One wait of a direction. Its timer may have fired already when the wait is over, so it carries
  // the number of the wait it belongs to.
  struct Waiting {
    explicit Waiting(const boost::asio::any_io_executor& executor) : timer(executor) {}
    boost::asio::steady_timer timer;
    uint64_t number = 0;
    bool expired = false;
  };

  boost::asio::awaitable<IoEnd> WaitReady(Direction direction, Milliseconds timeout);
  int UnacknowledgedBytes();  // written, and not yet taken by the peer's system
  void Expire(Direction direction, uint64_t number);

  boost::asio::ip::tcp::socket socket_;
  std::array<Waiting, 2> waiting_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();  // gone with us: late timers look here
};

}  // namespace quire
