// grammar/source/schema/disjoint.h -- whether a value can satisfy two schemas at once.
//
// oneOf wants exactly one of its schemas to hold. What is written here for one of them is known: an
// object has the properties that its schema names and no others. So it is enough to see, for both
// directions, that what is written for one can never satisfy the other.
//
// Threads  none. A `false` means only that no reason was found.
#pragma once

#include "grammar/source/schema/keywords.h"
#include "grammar/source/schema/merge.h"

namespace quire {

// Both are flat (merge.h), without anyOf and oneOf of their own where that matters.
bool NeverSatisfies(const SchemaMerger& merger, const SchemaJson& written, const SchemaJson& other,
                    uint32_t depth = 0);

}  // namespace quire
