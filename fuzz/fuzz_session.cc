// A file that claims to be an exported session, as a client may send it.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "session/seal.h"
#include "session/session_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string key(32, 'k');
  // As it is, and with a checksum that fits, so that what is behind it is reached.
  std::string valid(bytes);
  valid += quire::SignatureOf({}, valid);
  valid += quire::SignatureOf(key, valid);
  for (const std::string_view file : {bytes, std::string_view(valid)}) {
    const auto read = quire::ReadSessionFile(file, key);
    if (!read) continue;
    const std::string again = quire::WriteSessionFile(read->content, key);
    const auto second = quire::ReadSessionFile(again, key);
    QUIRE_CHECK(second && second->is_signed);
    QUIRE_CHECK(second->content.tokens == read->content.tokens);
    QUIRE_CHECK(second->content.session.state == read->content.session.state);
    QUIRE_CHECK(read->kv_at <= file.size());
    const std::string with_kv = quire::WriteSessionFile(read->content, key, true) + "KV";
    const auto third = quire::ReadSessionFile(with_kv, key);
    QUIRE_CHECK(third && third->is_signed && third->kv_at == with_kv.size() - 2);
  }
  return 0;
}
