// text/jinja/template.h -- a parsed template that can be rendered; the face of this folder.
//
// Threads  Render is const and may run on many threads at once.
// Errors   kInvalidArgument, "chat template line N: ...".
#pragma once

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/result.h"

namespace quire::jinja {

struct Limits {
  uint64_t steps;
  uint32_t depth;
  size_t output_bytes;
  size_t memory_bytes;
};

class Template {
 public:
  static Result<std::shared_ptr<const Template>> Parse(const std::string& source);
  ~Template();

  Result<std::string> Render(const nlohmann::ordered_json& input, const Limits& limits,
                             std::chrono::local_seconds now) const;

 private:
  Template();
  std::unique_ptr<const struct Program> program_;
};

}  // namespace quire::jinja
