// The query string of a request, whatever it holds: read or refused, and nothing of it invented.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "server/http/query_fields.h"
#include "server/openai/json_writer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view query(reinterpret_cast<const char*>(data), size);
  auto fields = quire::QueryFields::Parse(query);
  if (!fields) return 0;
  for (const char* name : {"limit", "before", "since_ms"}) {
    const auto number = fields->Integer(name, 1, 1000);
    if (number && *number) QUIRE_CHECK(**number >= 1 && **number <= 1000);
  }
  for (const char* name : {"route", "tenant", "format"}) {
    const auto text = fields->Text(name);
    QUIRE_CHECK(!text || (text->size() <= size && quire::ToValidUtf8(*text) == *text));
    QUIRE_CHECK(!fields->Text(name));
  }
  (void)fields->Finish("route, tenant");
  return 0;
}
