// apps/flags/flag_values.h -- what a flag accepts, and what it says when it gets something else.
//
// One refusal for one mistake, wherever the value stands (command line, environment, file):
// "'70000' is not a whole number from 0 to 65535". The type's name is what --help shows and what
// decides which TOML types and which spelling in --print-config fit.
#pragma once

#include <CLI/Option.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace quire {

inline constexpr const char* kWholeType = "N";
inline constexpr const char* kRealType = "X";
inline constexpr const char* kSizeType = "SIZE";
inline constexpr const char* kPeerType = "NAME=URL";

// Each returns `option`, so that calls can be chained.
CLI::Option* Whole(CLI::Option* option, uint64_t least, uint64_t most);
CLI::Option* Real(CLI::Option* option, double least, double most);
// "auto" is accepted where `allow_auto`.
CLI::Option* Size(CLI::Option* option, uint64_t least_bytes, bool allow_auto);
CLI::Option* OneOf(CLI::Option* option, std::vector<std::string> values);

}  // namespace quire
