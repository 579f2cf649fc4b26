// grammar/mask_helper.h -- a thread that works out masks while the model computes.
//
// It takes copies of states through a bounded queue and fills the memory of their grammars; whoever
// needs a mask that is not there yet works it out itself, so nobody ever waits for this thread, and
// a full queue costs nothing but time.
//
// Threads  Submit: any.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "grammar/grammar.h"

namespace quire {

class MaskHelper {
 public:
  MaskHelper();
  ~MaskHelper();  // drops what waits, and joins
  MaskHelper(const MaskHelper&) = delete;
  MaskHelper& operator=(const MaskHelper&) = delete;

  void Submit(GrammarState state);  // dropped if too many wait

 private:
  void ThreadMain();

  std::mutex mutex_;
  std::condition_variable work_;
  std::deque<GrammarState> waiting_;  // guarded by mutex_
  bool stopping_ = false;             // guarded by mutex_
  std::thread thread_;
};

}  // namespace quire
