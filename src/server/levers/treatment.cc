#include "server/levers/treatment.h"

namespace quire {

namespace {

void KeepOtherwise(const LeverChange& change, GenerationRequest& request) {
  const bool wished = request.keep_seconds > 0 || request.pin_seconds > 0 || request.no_store;
  if (wished) return;
  if (change.store) {
    request.keep_seconds = change.keep_seconds;
  } else {
    request.no_store = true;
  }
}

}  // namespace

void Apply(const Treatment& treatment, GenerationRequest& request) {
  for (const LeverChange& change : treatment.changes) {
    switch (change.kind) {
      case LeverKind::kChunkTokens:
        request.handling.chunk_tokens = change.chunk_tokens;
        break;
      case LeverKind::kOffload:
        request.handling.offload = change.offload;
        break;
      case LeverKind::kEviction:
        KeepOtherwise(change, request);
        break;
      case LeverKind::kAdmissionMargin:
        request.handling.admission_margin = change.admission_margin;
        break;
    }
  }
}

}  // namespace quire
