// tests/law2/texts.h -- real text to read: prose, code, numbers, several scripts.
#pragma once

#include <string>

namespace quire::test {

const std::string& Prose();
const std::string& Code();
const std::string& Scripts();   // words and signs that are not English
const std::string& LongText();  // all of them, one after the other, twice in another order

}  // namespace quire::test
