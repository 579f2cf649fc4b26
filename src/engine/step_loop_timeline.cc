// What the timelines of requests are told of a step.
#include "engine/step_loop.h"

namespace quire {

void StepLoop::NoteTimeline(const PlanItem& item) {
  const Place place = places_.at(item.sequence);
  TimelineRecorder* const timeline = place.request->timeline();
  if (timeline == nullptr) return;
  const Sequence& sequence = scheduler_.Get(item.sequence);
  timeline->Ran({.choice = place.choice,
                 .tokens = item.num_tokens,
                 .is_chunk = item.num_tokens > 1 || item.first_token < sequence.num_prompt,
                 .preemptions = sequence.counts.preemptions,
                 .begin = step_started_,
                 .end = step_ended_});
}

}  // namespace quire
