// write_tiny_model FILE -- a model that loads and answers in no time, for tests that start many
// servers.
#include <cstdio>

#include "tests/support/tiny_model.h"

int main(int count, char** arguments) {
  if (count != 2) {
    std::fputs("usage: write_tiny_model FILE\n", stderr);
    return 2;
  }
  quire::test::WriteTinyModel({}, arguments[1]);
  return 0;
}
