// reply/call_sink.h -- where the readers of formats put the calls they find.
#pragma once

#include <string>
#include <string_view>

namespace quire {

class CallSink {
 public:
  virtual ~CallSink() = default;
  // Begin -> Arguments* -> End, one call after the other. `json`, joined, is an object. The reader
  // tells when its cursor stands behind the bytes that say it.
  virtual void Begin(std::string_view name) = 0;
  virtual void Arguments(std::string_view json) = 0;
  virtual void End() = 0;
};

}  // namespace quire
