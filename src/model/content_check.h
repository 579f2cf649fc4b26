// model/content_check.h -- checks beside other work that a file still holds what was remembered of
// it.
//
// A start that finds a model's digest in the index (model/repack/digest_index.h) has not read the
// model. This reads it, on a thread that gets only time nobody else wants, and begins late: the
// first requests come before it.
//
// Threads  `changed` is called at most once, on the check's thread. The destructor gives up and
//          waits for a few milliseconds' work at most.
// Memory   lets the system drop the file's pages as it goes.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <semaphore>
#include <thread>

#include "gguf/gguf_file.h"
#include "model/repack/digest_index.h"

namespace quire {

class ContentCheck {
 public:
  // Begins after `patience`, during which a change is not noticed: a model may be read from the
  // disk that the first requests wait for.
  ContentCheck(std::shared_ptr<const GgufFile> file, const ContentDigest& remembered,
               std::function<void()> changed,
               std::chrono::milliseconds patience = std::chrono::milliseconds(0));
  ~ContentCheck();
  ContentCheck(const ContentCheck&) = delete;
  ContentCheck& operator=(const ContentCheck&) = delete;

 private:
  std::atomic<bool> stop_{false};
  std::binary_semaphore given_up_{0};
  std::thread thread_;
};

}  // namespace quire
