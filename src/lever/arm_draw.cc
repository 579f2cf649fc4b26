#include "lever/arm_draw.h"

#include <sodium.h>

#include <array>
#include <cstdint>
#include <initializer_list>

#include "base/check.h"

namespace quire {

namespace {

// With its length before it, so that no two lists of parts are the same bytes.
void Add(crypto_generichash_state& state, std::string_view part) {
  std::array<unsigned char, 8> length{};
  for (size_t i = 0; i < length.size(); ++i) {
    length[i] = static_cast<unsigned char>(uint64_t{part.size()} >> (8 * i));
  }
  crypto_generichash_update(&state, length.data(), length.size());
  crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(part.data()),
                            part.size());
}

}  // namespace

double ArmDraw::Draw(std::string_view lever, LeverUnit unit, std::string_view value) const {
  constexpr int kFractionBits = 53;  // of a double
  QUIRE_CHECK(sodium_init() >= 0, "libsodium does not work here");
  crypto_generichash_state state;
  std::array<unsigned char, crypto_generichash_BYTES> hash{};
  crypto_generichash_init(&state, nullptr, 0, hash.size());
  for (const std::string_view part : {std::string_view("quire arm of a lever"),
                                      std::string_view(key_), lever, LeverUnitName(unit), value}) {
    Add(state, part);
  }
  crypto_generichash_final(&state, hash.data(), hash.size());
  uint64_t bits = 0;
  for (int i = 0; i < 8; ++i) bits |= uint64_t{hash[static_cast<size_t>(i)]} << (8 * i);
  return static_cast<double>(bits >> (64 - kFractionBits)) /
         static_cast<double>(uint64_t{1} << kFractionBits);
}

Arm ArmDraw::ArmOf(const Lever& lever, std::string_view tenant, std::string_view route) const {
  const std::string_view value = lever.by == LeverUnit::kTenant ? tenant : route;
  return Draw(lever.name, lever.by, value) < lever.share ? Arm::kTreatment : Arm::kControl;
}

}  // namespace quire
