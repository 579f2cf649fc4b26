// server/http/query_fields.h -- the fields of a query string, by name and type; none is lost.
//
// "a=1&b=x+y%21" is {a: "1", b: "x y!"}. Fields that nobody took are refused, as they are in bodies
// where they would change the answer.
//
// Threads  none.  Errors  kInvalidArgument with `param` naming the field.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace quire {

class QueryFields {
 public:
  static constexpr size_t kMostFields = 64;

  // Refuses broken escapes, names that come twice, bytes that are not UTF-8, and too many fields.
  static Result<QueryFields> Parse(std::string_view query);

  std::optional<std::string> Text(std::string_view name);
  Result<std::optional<int64_t>> Integer(std::string_view name, int64_t low, int64_t high);

  Status Finish(std::string_view known) const;  // `known`: the names there are, for the message

 private:
  std::map<std::string, std::string, std::less<>> fields_;  // that nobody took yet
};

}  // namespace quire
