#include "engine/timeline.h"

#include <utility>

#include "base/check.h"

namespace quire {

TimelineRecorder::TimelineRecorder(double arrived, uint32_t choices)
    : timeline_(std::make_shared<Timeline>()), choices_(choices) {
  timeline_->arrived = arrived;
  for (auto* pieces : {&timeline_->onboards, &timeline_->chunks, &timeline_->preemptions}) {
    pieces->reserve(Timeline::kMost);
  }
}

bool TimelineRecorder::Add(std::vector<TimePiece>& pieces, const TimePiece& piece) {
  if (pieces.size() == Timeline::kMost) return false;
  pieces.push_back(piece);
  return true;
}

void TimelineRecorder::Onboarded(uint32_t tokens, double begin, double end) {
  if (!Add(timeline_->onboards, {begin, end, tokens})) ++timeline_->untold;
}

void TimelineRecorder::TakeBackOnboarded() {
  if (!timeline_->onboards.empty()) timeline_->onboards.pop_back();
}

void TimelineRecorder::NotePreempted(uint32_t choice, uint32_t preemptions, double until) {
  Choice& state = choices_[choice];
  if (std::exchange(state.preemptions, preemptions) == preemptions || state.ran < 0) return;
  if (!Add(timeline_->preemptions, {state.ran, until, 0, 1, choice})) ++timeline_->untold;
}

void TimelineRecorder::Ran(const Part& part) {
  QUIRE_CHECK(part.choice < choices_.size());
  NotePreempted(part.choice, part.preemptions, part.begin);
  choices_[part.choice].ran = part.end;
  if (!part.is_chunk) return;
  std::vector<TimePiece>& chunks = timeline_->chunks;
  if (Add(chunks, {part.begin, part.end, part.tokens, 1, part.choice})) return;
  TimePiece& last = chunks.back();
  last.end = part.end;
  last.tokens += part.tokens;
  ++last.steps;
}

void TimelineRecorder::Left(uint32_t choice, uint32_t preemptions, double now) {
  QUIRE_CHECK(choice < choices_.size());
  NotePreempted(choice, preemptions, now);
}

std::shared_ptr<const Timeline> TimelineRecorder::Close(double started, double first_token,
                                                        double last_token, double ended) {
  timeline_->started = started;
  timeline_->first_token = first_token;
  timeline_->last_token = last_token;
  timeline_->ended = ended;
  return std::move(timeline_);
}

}  // namespace quire
