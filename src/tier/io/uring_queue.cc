#include "tier/io/uring_queue.h"

#include <liburing.h>

#include <cerrno>

#include "base/check.h"

namespace quire {
namespace {

class UringQueue : public IoQueue {
 public:
  UringQueue(const io_uring& ring, uint32_t depth) : ring_(ring), depth_(depth) {}
  ~UringQueue() override {
    IoResult done;
    while (in_flight_ > 0) Wait({&done, 1});  // the kernel may still write into buffers
    io_uring_queue_exit(&ring_);
  }
  UringQueue(const UringQueue&) = delete;
  UringQueue& operator=(const UringQueue&) = delete;

  bool Submit(const IoRequest& request) override {
    if (in_flight_ == depth_) return false;
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    QUIRE_CHECK(sqe != nullptr, "the ring has room for its depth");
    const auto size = static_cast<unsigned>(request.bytes.size());
    if (request.kind == IoRequest::Kind::kRead) {
      io_uring_prep_read(sqe, request.fd, request.bytes.data(), size, request.offset);
    } else {
      io_uring_prep_write(sqe, request.fd, request.bytes.data(), size, request.offset);
    }
    io_uring_sqe_set_data64(sqe, request.tag);
    ++in_flight_;
    // Interrupted or short of memory: the entry stays in the ring and goes with the next call.
    (void)io_uring_submit(&ring_);
    return true;
  }

  size_t Wait(std::span<IoResult> done) override {
    size_t count = 0;
    while (count < done.size() && in_flight_ > 0) {
      io_uring_cqe* cqe = nullptr;
      if (io_uring_peek_cqe(&ring_, &cqe) != 0) {
        if (count > 0) break;
        const int error = io_uring_submit_and_wait(&ring_, 1);
        QUIRE_CHECK(error >= 0 || error == -EINTR || error == -EAGAIN || error == -EBUSY ||
                        error == -ENOMEM,
                    "io_uring does not wait");
        continue;
      }
      done[count++] = {io_uring_cqe_get_data64(cqe), cqe->res};
      io_uring_cqe_seen(&ring_, cqe);
      --in_flight_;
    }
    return count;
  }

  uint32_t in_flight() const override { return in_flight_; }
  uint32_t depth() const override { return depth_; }
  std::string_view name() const override { return "io_uring"; }

 private:
  io_uring ring_;
  const uint32_t depth_;
  uint32_t in_flight_ = 0;
};

}  // namespace

std::unique_ptr<IoQueue> MakeUringQueue(uint32_t depth) {
  io_uring ring{};
  if (io_uring_queue_init(depth, &ring, 0) != 0) return nullptr;
  return std::make_unique<UringQueue>(ring, depth);
}

}  // namespace quire
