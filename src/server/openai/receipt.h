// server/openai/receipt.h -- `usage` and the `quire` object: what an answer cost.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/event.h"
#include "server/openai/json_writer.h"

namespace quire {

// Receipts of all prompts of a request as one: counts add up, times are those of the slowest.
Receipt Combine(const std::vector<Receipt>& receipts);

// {"prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details"}
void WriteUsage(const Receipt& receipt, JsonWriter& json);

// What the `quire` object holds beside the receipt.
struct ReceiptNotes {
  std::string request_id;
  std::string numerics;
  std::vector<std::string> ignored;
  bool want_hashes = false;
  std::vector<std::string> logit_hashes;  // one per choice
};

void WriteQuire(const Receipt& receipt, const ReceiptNotes& notes, JsonWriter& json);

}  // namespace quire
