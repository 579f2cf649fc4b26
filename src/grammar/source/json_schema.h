// grammar/source/json_schema.h -- JSON values, of any kind or of a schema, as parts.
//
// Properties come in the order of the schema. White space is bounded: a space, or a line end and
// its indentation, where pretty printers put them. The keywords, and what is refused:
// docs/structured_output.md.
//
// Errors  kInvalidArgument or kUnsupported naming the keyword and its place; `param` is `path` with
//         the place behind it ("response_format.json_schema.schema.properties.a.not").
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"
#include "grammar/parts.h"

namespace quire {

Part AddJsonObject(Parts& parts);  // any JSON object
Part AddJsonValue(Parts& parts);   // any JSON value

Result<Part> AddJsonSchema(Parts& parts, const nlohmann::ordered_json& schema,
                           const std::string& path = "schema");

}  // namespace quire
