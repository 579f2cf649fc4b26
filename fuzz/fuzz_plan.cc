// fuzz/fuzz_plan.cc -- any bytes as the description of a model: refused by a name, or a shape that
// can be planned with and adds up. And as the profile of a machine: refused, or one that comes back
// as it went.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "plan/capacity/plan_json.h"
#include "plan/capacity/shape_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto profile = quire::MachineProfile::Parse(text);
  if (profile) {
    const auto again = quire::MachineProfile::Parse(profile->Json());
    QUIRE_CHECK(again && again->Json() == profile->Json(), "a profile comes back as it went");
  }
  const auto shape = quire::ParseModelShape(text);
  if (!shape) {
    QUIRE_CHECK(!shape.error().message.empty());
    return 0;
  }
  QUIRE_CHECK(shape->weight_bytes() > 0 && shape->num_windowed() <= shape->config.layers);
  const auto plan = quire::MakePlan(*shape, {.memory_bytes = uint64_t{1} << 36}, nullptr);
  QUIRE_CHECK(plan.has_value(), "what is a shape can be planned with");
  QUIRE_CHECK(plan->kv_blocks == 0 || plan->memory.BytesWith(plan->kv_blocks) <= uint64_t{1} << 36);
  QUIRE_CHECK(!quire::PlanJson(*shape, *plan, nullptr).empty());
  return 0;
}
