#include "server/openai/fresh_id.h"

#include <cstdint>
#include <random>

namespace quire {

std::string FreshId(std::string_view prefix) {
  constexpr char kDigits[] = "0123456789abcdefghijklmnopqrstuv";
  thread_local std::mt19937_64 generator{(uint64_t{std::random_device{}()} << 32) ^
                                         std::random_device{}()};
  std::string id(prefix);
  for (int word = 0; word < 2; ++word) {
    uint64_t bits = generator();
    for (int i = 0; i < 12; ++i, bits >>= 5) id += kDigits[bits & 31];
  }
  return id;
}

}  // namespace quire
