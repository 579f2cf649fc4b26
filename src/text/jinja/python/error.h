// text/jinja/python/error.h -- how a template's mistake travels from where it is found to Render().
//
// Python raises, and some of its own functions catch ("x"|int gives 0 because of a ValueError). The
// interpreter does the same with one C++ exception type. It never leaves the folder:
// Template::Parse and Template::Render turn it into an Error.
#pragma once

#include <stdexcept>
#include <string>

namespace quire::jinja {

// Python's exception classes, as far as something catches them or a reader is helped by the name.
enum class Fault {
  kType,
  kValue,
  kLookup,
  kAttribute,
  kOverflow,
  kZeroDivision,
  kUndefined,  // use of a value that is not there
  kSecurity,   // what the sandbox forbids
  kSyntax,
  kRuntime,
  kRaised,  // raise_exception(): the message is the template author's own words
  kLimit,   // steps, depth, bytes: nothing may catch it
};

class TemplateError : public std::runtime_error {
 public:
  TemplateError(Fault fault, const std::string& message, int line = 0)
      : std::runtime_error(message), fault_(fault), line_(line) {}

  Fault fault() const { return fault_; }
  int line() const { return line_; }  // 0: not known where it was thrown
  void set_line(int line) { line_ = line; }

 private:
  Fault fault_;
  int line_;
};

[[noreturn]] inline void Raise(Fault fault, const std::string& message) {
  throw TemplateError(fault, message);
}

}  // namespace quire::jinja
