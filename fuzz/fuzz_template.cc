// fuzz/fuzz_template.cc -- any bytes as a chat template: refused, or rendered within its limits.

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "text/chat_template.h"

namespace quire {
namespace {

const nlohmann::ordered_json& Conversation() {
  static const auto input = nlohmann::ordered_json::parse(R"json({
    "messages": [{"role": "system", "content": "Be brief."},
                 {"role": "user", "content": [{"type": "text", "text": "Grüße 😀"}]},
                 {"role": "assistant", "content": "<think>a</think>b", "tool_calls":
                   [{"id": "c1", "function": {"name": "f", "arguments": {"x": [1, 2.5, null]}}}]},
                 {"role": "tool", "content": "22", "tool_call_id": "c1"}],
    "tools": [{"type": "function", "function": {"name": "f", "parameters":
                 {"type": "object", "properties": {"x": {"type": "string"}}}}}],
    "add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>",
    "n": 3, "f": 1.5, "s": "Hello World", "l": [3, 1, 2], "d": {"k": 1, "b": "x"}})json");
  return input;
}

void RenderBounded(const ChatTemplate& parsed) {
  RenderOptions options;
  options.max_steps = 20'000;
  options.max_output_bytes = size_t{1} << 20;
  options.max_memory_bytes = size_t{64} << 20;
  options.now = std::chrono::local_seconds{};
  const Result<std::string> first = parsed.Render(Conversation(), options);
  const Result<std::string> second = parsed.Render(Conversation(), options);
  QUIRE_CHECK(first.has_value() == second.has_value(), "rendering depends on something hidden");
  if (!first) {
    QUIRE_CHECK(first.error().code == ErrorCode::kInvalidArgument);
    QUIRE_CHECK(first.error().message.starts_with("chat template"));
    return;
  }
  QUIRE_CHECK(*first == *second, "rendering depends on something hidden");
  QUIRE_CHECK(first->size() <= options.max_output_bytes);
}

}  // namespace
}  // namespace quire

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto parsed =
      quire::ChatTemplate::Parse(std::string(reinterpret_cast<const char*>(data), size));
  if (parsed) quire::RenderBounded(*parsed);
  return 0;
}
