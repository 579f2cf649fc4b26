// model/content_check.h -- checks beside other work that a file still holds what was remembered of
// it.
//
// A start that finds a model's digest in the index (model/repack/digest_index.h) has not read the
// model. This reads it, on a thread that gets only time nobody else wants.
//
// Threads  `changed` is called at most once, on the check's thread. The destructor gives up and
//          waits for a few milliseconds' work at most.
// Memory   lets the system drop the file's pages as it goes.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include "gguf/gguf_file.h"
#include "model/repack/digest_index.h"

namespace quire {

class ContentCheck {
 public:
  ContentCheck(std::shared_ptr<const GgufFile> file, const ContentDigest& remembered,
               std::function<void()> changed);
  ~ContentCheck();
  ContentCheck(const ContentCheck&) = delete;
  ContentCheck& operator=(const ContentCheck&) = delete;

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace quire
