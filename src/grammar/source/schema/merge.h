// grammar/source/schema/merge.h -- schemas that must hold together, as one.
//
// Threads  none. Errors: what cannot be said by one schema is refused, naming the keyword.
#pragma once

#include <string>

#include "base/result.h"
#include "grammar/source/schema/keywords.h"

namespace quire {

class SchemaMerger {
 public:
  explicit SchemaMerger(const SchemaJson& root) : root_(root) {}

  // What `ref` points to inside the root.
  Result<const SchemaJson*> Resolve(const SchemaJson& ref, const std::string& path) const;

  // `schema` without $ref and allOf: what they say is merged into it. Booleans become objects; one
  // that nothing satisfies has an empty list of types.
  Result<SchemaJson> Flatten(const SchemaJson& schema, const std::string& path,
                             uint32_t depth = 0) const;

  // Both of two flat schemas.
  Result<SchemaJson> Merge(const SchemaJson& left, const SchemaJson& right,
                           const std::string& path) const;

 private:
  Status Combine(const std::string& keyword, const SchemaJson& value, SchemaJson& into,
                 const std::string& path) const;

  const SchemaJson& root_;
  mutable uint32_t num_flattened_ = 0;  // bounded: schemas can point to themselves many times over
};

}  // namespace quire
