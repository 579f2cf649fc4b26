// engine/timeline.h -- when what happened to a request, step by step: of those that ask for it.
//
//   arrived       started              first token                last token   ended
//      |--onboard----|----chunk chunk------|-----------preempted chunk--|--------|
//
// Times are SteadySeconds(). What cannot be told because it has not happened is -1.
//
// Threads  none while it is recorded; then nobody changes it.
// Bounds   kMost pieces of each kind. Of more, chunks are told as one with the last, and what else
//          there is only by its count. All memory is taken at the start: nothing is in a step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace quire {

struct TimePiece {
  double begin = 0;
  double end = 0;
  uint32_t tokens = 0;
  uint32_t steps = 1;
  uint32_t choice = 0;
};

struct Timeline {
  static constexpr size_t kMost = 48;

  double arrived = 0;
  double started = -1;  // its first token began to be computed
  double first_token = -1;
  double last_token = -1;
  double ended = 0;
  std::vector<TimePiece> onboards;     // KV was read from the disk
  std::vector<TimePiece> chunks;       // of a prompt, or of what is computed again
  std::vector<TimePiece> preemptions;  // from the last step before to the first step after
  uint32_t untold = 0;                 // pieces for which there was no room
};

// Of one timeline, so much at most.
inline constexpr size_t kTimelineBytes = sizeof(Timeline) + 3 * Timeline::kMost * sizeof(TimePiece);

class TimelineRecorder {
 public:
  TimelineRecorder(double arrived, uint32_t choices);

  void Onboarded(uint32_t tokens, double begin, double end);
  void TakeBackOnboarded();  // the last one was not: it goes on, and will be told as a whole
  // A choice had a part in a step: a chunk, or one token. `preemptions`: of it, so far.
  struct Part {
    uint32_t choice = 0;
    uint32_t tokens = 0;
    bool is_chunk = false;
    uint32_t preemptions = 0;
    double begin = 0;
    double end = 0;
  };
  void Ran(const Part& part);
  void Left(uint32_t choice, uint32_t preemptions, double now);  // it has no part in any more

  // Of a request that is over. Nothing is recorded afterwards.
  std::shared_ptr<const Timeline> Close(double started, double first_token, double last_token,
                                        double ended);

 private:
  struct Choice {
    double ran = -1;  // until then
    uint32_t preemptions = 0;
  };
  bool Add(std::vector<TimePiece>& pieces, const TimePiece& piece);
  void NotePreempted(uint32_t choice, uint32_t preemptions, double until);

  std::shared_ptr<Timeline> timeline_;
  std::vector<Choice> choices_;
};

}  // namespace quire
