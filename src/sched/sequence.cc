#include "sched/sequence.h"

namespace quire {

std::unique_ptr<Sequence> MakeSequence(const SequenceSpec& spec, uint32_t num_prompt,
                                       const ChoiceOf& place) {
  const auto [leader, choice] = place;
  auto sequence = std::make_unique<Sequence>();
  sequence->id = SequenceId{static_cast<uint64_t>(leader) + choice};
  sequence->leader = leader;
  sequence->names = BlockNames(spec.scope, spec.public_prefix);
  sequence->table = BlockTable(spec.owner, spec.handling.offload);
  sequence->arrival = spec.arrival;
  sequence->keep_ms = spec.keep_ms;
  sequence->pin_ms = spec.pin_ms;
  sequence->pin_group = spec.pin_group;
  sequence->work_tokens = num_prompt;
  sequence->lookup = spec.lookup && !(spec.all_rows && choice == 0);
  sequence->store = spec.store;
  sequence->handling = spec.handling;
  if (choice > 0) sequence->awaits = leader;
  sequence->awaited_tokens = num_prompt;
  sequence->num_prompt = num_prompt;
  sequence->max_tokens = spec.max_tokens;
  sequence->first_logit_row =
      spec.all_rows && choice == 0 ? 0 : num_prompt - (spec.max_tokens == 0 ? 0 : 1);
  return sequence;
}

}  // namespace quire
