// grammar/source/schema/compiler.h -- one JSON Schema as a part.
//
// A schema is made flat first ($ref and allOf merged into it), then split by its alternatives, then
// by type. What nothing satisfies becomes Never(), which alternatives simply lose.
//
// Objects and arrays inside others are rules, so that an automaton is no larger than its schema;
// alternatives are not, so that what they begin with in common is read once.
//
// Threads  none.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "grammar/parts.h"
#include "grammar/source/schema/keywords.h"
#include "grammar/source/schema/merge.h"

namespace quire {

class SchemaCompiler {
 public:
  SchemaCompiler(Parts& parts, const SchemaJson& root)
      : parts_(parts), root_(root), merger_(root) {}

  Result<Part> Root(const std::string& path) { return Any(root_, path, false); }

 private:
  // `alone`: not beside alternatives, so that a rule may be called for it.
  Result<Part> Any(const SchemaJson& schema, const std::string& path, bool alone);
  Result<Part> Referred(const SchemaJson& ref, const std::string& path, bool alone);
  Result<Part> Flat(const SchemaJson& schema, const std::string& path, bool alone);
  Result<Part> Alternatives(const SchemaJson& schema, const char* keyword, const std::string& path);
  Status CheckOneOf(const SchemaJson& base, const SchemaJson& alternatives,
                    const std::string& path);
  Result<Part> Listed(const SchemaJson& schema, TypeSet types, const std::string& path);
  Result<Part> OfTypes(const SchemaJson& schema, TypeSet types, const std::string& path,
                       bool alone);

  struct Items {
    std::vector<Part> first;
    Part rest;            // those behind them
    bool others = false;  // there may be such
    uint32_t least = 0;
    uint32_t most = kEndless;
  };
  Result<Part> Array(const SchemaJson& schema, const std::string& path);
  Part ArrayOf(const Items& items);
  struct Members;
  Result<Part> Object(const SchemaJson& schema, const std::string& path);
  Result<Members> ReadMembers(const SchemaJson& schema, const std::string& path);
  Status ReadOthers(const SchemaJson& schema, const std::string& path, Members& members);
  Part ObjectOf(const Members& members);
  Part InRule(Part part, const std::string& path);

  Parts& parts_;
  const SchemaJson& root_;
  SchemaMerger merger_;
  std::map<std::string, Part> rules_;  // by $ref
  std::set<std::string> inside_;       // $refs that are being read in place
  uint32_t num_schemas_ = 0;
};

// The text of a JSON string that satisfies the keywords of strings, with its quotes.
Result<Part> AddSchemaString(Parts& parts, const SchemaJson& schema, const std::string& path);
Result<Part> AddSchemaNumber(Parts& parts, const SchemaJson& schema, bool integer,
                             const std::string& path);

}  // namespace quire
