// server/http/http_limits.h -- how much and how long a connection may take.
#pragma once

#include <cstddef>
#include <cstdint>

#include "server/http/stream_socket.h"

namespace quire {

struct HttpLimits {
  size_t max_header_bytes = size_t{16} << 10;
  size_t max_body_bytes = size_t{32} << 20;
  // Requests sent ahead of their turn wait here; who sends more while an answer is made is cut.
  size_t max_pipelined_bytes = size_t{64} << 10;
  Milliseconds header_timeout = std::chrono::seconds(10);  // for a whole header
  Milliseconds body_pause = std::chrono::seconds(10);      // without a byte inside a body
  Milliseconds body_timeout = std::chrono::seconds(300);   // for a whole body
  Milliseconds idle_timeout = std::chrono::seconds(75);    // between requests
  Milliseconds write_stall = std::chrono::seconds(30);     // without a byte leaving
};

// Bytes that all connections together may hold in request bodies. Small bodies are free: their sum
// is bounded by the number of connections.
//
// Threads  none: the I/O thread.
class BodyBudget {
 public:
  static constexpr size_t kFreeBytes = size_t{64} << 10;

  explicit BodyBudget(size_t limit_bytes) : limit_bytes_(limit_bytes) {}

  // What a body took; given back when it dies.
  class Share {
   public:
    explicit Share(BodyBudget& budget) : budget_(budget) {}
    ~Share() { budget_.used_bytes_ -= bytes_; }
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

    // Makes the share at least `bytes`; false and unchanged if that is too much now.
    [[nodiscard]] bool GrowTo(size_t bytes) {
      if (bytes <= kFreeBytes || bytes <= bytes_) return true;
      if (budget_.used_bytes_ - bytes_ + bytes > budget_.limit_bytes_) return false;
      budget_.used_bytes_ += bytes - bytes_;
      bytes_ = bytes;
      return true;
    }

   private:
    BodyBudget& budget_;
    size_t bytes_ = 0;
  };

 private:
  size_t limit_bytes_;
  size_t used_bytes_ = 0;
};

}  // namespace quire
