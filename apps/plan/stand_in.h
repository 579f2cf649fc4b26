// apps/plan/stand_in.h -- a model of the same shape with a few layers and no meaning, to be timed.
//
// How long a pass takes does not depend on what the weights are. Layers are taken evenly from the
// whole depth, so that their types are in the mix of the model, and as many as no cache holds; of
// the vocabulary as many rows as make a last matrix worth timing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "plan/capacity/model_shape.h"

namespace quire {

struct StandInSize {
  uint32_t layers = 0;
  uint32_t vocabulary = 0;
};
StandInSize StandInSizeOf(const ModelShape& shape);

// By how much the weights of the model are larger, up to what no cache holds beside the stand-in.
uint64_t UnreadBytes(const ModelShape& shape);

// What loading it and timing it takes: the file, its repacked form, the unread, and KV.
uint64_t StandInBytes(const ModelShape& shape);

// A GGUF file that Model::Load takes.
std::vector<std::byte> MakeStandIn(const ModelShape& shape);

}  // namespace quire
